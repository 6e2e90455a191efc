package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	extensions "k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	appsapply "k8s.io/client-go/applyconfigurations/apps/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/record"
)

func applyConfigurations(ctx context.Context, w world) error {
	api := w.client.AppsV1().Deployments(w.namespace)
	intent := func(image string) *appsapply.DeploymentApplyConfiguration {
		return appsapply.Deployment("d", w.namespace).WithSpec(appsapply.DeploymentSpec().
			WithReplicas(0).
			WithSelector(metaapply.LabelSelector().WithMatchLabels(labels)).
			WithTemplate(coreapply.PodTemplateSpec().WithLabels(labels).WithSpec(coreapply.PodSpec().
				WithContainers(coreapply.Container().WithName("main").WithImage(image)))))
	}
	if _, err := api.Apply(ctx, intent("one"), metav1.ApplyOptions{FieldManager: "a"}); err != nil {
		return err
	}
	_, err := api.Apply(ctx, intent("two"), metav1.ApplyOptions{FieldManager: "b"})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("no conflict: %v", err)
	}
	forced, err := api.Apply(ctx, intent("two"), metav1.ApplyOptions{FieldManager: "b", Force: true})
	if err != nil {
		return err
	}
	mine, err := appsapply.ExtractDeployment(forced, "b")
	if err != nil {
		return fmt.Errorf("extract: %w", err)
	}
	if err := expect("what b owns", *mine.Spec.Template.Spec.Containers[0].Image, "two"); err != nil {
		return err
	}
	again, err := api.Apply(ctx, mine, metav1.ApplyOptions{FieldManager: "b"})
	return first(err, expect("generation after an apply that changes nothing", again.Generation, forced.Generation))
}

func customResources(ctx context.Context, w world) error {
	client, err := extensions.NewForConfig(w.config)
	if err != nil {
		return err
	}
	group := w.namespace + ".example.com"
	anything := true
	definition := &v1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "things." + group},
		Spec: v1.CustomResourceDefinitionSpec{
			Group: group, Scope: v1.NamespaceScoped,
			Names: v1.CustomResourceDefinitionNames{Plural: "things", Kind: "Thing"},
			Versions: []v1.CustomResourceDefinitionVersion{{
				Name: "v1", Served: true, Storage: true,
				Subresources: &v1.CustomResourceSubresources{Status: &v1.CustomResourceSubresourceStatus{}},
				Schema: &v1.CustomResourceValidation{OpenAPIV3Schema: &v1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: &anything,
				}},
			}},
		},
	}
	if _, err := client.ApiextensionsV1().CustomResourceDefinitions().Create(ctx, definition, metav1.CreateOptions{}); err != nil {
		return err
	}
	defer func() {
		_ = client.ApiextensionsV1().CustomResourceDefinitions().Delete(context.Background(), definition.Name, metav1.DeleteOptions{})
	}()
	err = until(ctx, "the definition is established", func() bool {
		found, err := client.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, definition.Name, metav1.GetOptions{})
		if err != nil {
			return false
		}
		for _, one := range found.Status.Conditions {
			if one.Type == v1.Established && one.Status == v1.ConditionTrue {
				return true
			}
		}
		return false
	})
	if err != nil {
		return err
	}
	untyped, err := dynamic.NewForConfig(w.config)
	if err != nil {
		return err
	}
	things := untyped.Resource(schema.GroupVersionResource{Group: group, Version: "v1", Resource: "things"}).Namespace(w.namespace)
	thing := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Thing",
		"metadata": map[string]any{"name": "t", "finalizers": []any{"example.com/f"}},
		"spec":     map[string]any{"n": int64(9007199254740993), "f": 0.5},
		"status":   map[string]any{"ignored": true},
	}}
	made, err := things.Create(ctx, thing, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	n, _, _ := unstructured.NestedInt64(made.Object, "spec", "n")
	_, hasStatus := made.Object["status"]
	if err := first(expect("a large integer", n, int64(9007199254740993)), expect("status at create", hasStatus, false)); err != nil {
		return err
	}
	made.Object["status"] = map[string]any{"seen": true}
	if made, err = things.UpdateStatus(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := expect("generation", made.GetGeneration(), 1); err != nil {
		return err
	}
	delete(thing.Object, "status")
	if _, err := things.Apply(ctx, "t", thing, metav1.ApplyOptions{FieldManager: "a"}); !apierrors.IsConflict(err) && err != nil {
		return err
	}
	if err := things.Delete(ctx, "t", metav1.DeleteOptions{}); err != nil {
		return err
	}
	going, err := things.Get(ctx, "t", metav1.GetOptions{})
	if err != nil || going.GetDeletionTimestamp() == nil {
		return fmt.Errorf("the finalizer does not hold it: %v", err)
	}
	if _, err := things.Patch(ctx, "t", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		return err
	}
	_, err = things.Get(ctx, "t", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("still there: %v", err)
	}
	return nil
}

func leaders(ctx context.Context, w world) error {
	var leading, terms atomic.Int32
	var overlap atomic.Bool
	elect := func(ctx context.Context, identity string) {
		lock := &resourcelock.LeaseLock{
			LeaseMeta:  metav1.ObjectMeta{Name: "l", Namespace: w.namespace},
			Client:     w.client.CoordinationV1(),
			LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
		}
		leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
			Lock: lock, ReleaseOnCancel: true,
			LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 200 * time.Millisecond,
			Callbacks: leaderelection.LeaderCallbacks{
				OnStartedLeading: func(context.Context) {
					if leading.Add(1) > 1 {
						overlap.Store(true)
					}
					terms.Add(1)
				},
				OnStoppedLeading: func() { leading.Add(-1) },
			},
		})
	}
	firstCtx, stopFirst := context.WithCancel(ctx)
	defer stopFirst()
	go elect(firstCtx, "one")
	if err := until(ctx, "there is a leader", func() bool { return terms.Load() == 1 }); err != nil {
		return err
	}
	secondCtx, stopSecond := context.WithCancel(ctx)
	defer stopSecond()
	go elect(secondCtx, "two")
	time.Sleep(time.Second)
	if err := expect("terms while the first leads", terms.Load(), 1); err != nil {
		return err
	}
	stopFirst()
	if err := until(ctx, "there is a successor", func() bool { return terms.Load() == 2 }); err != nil {
		return err
	}
	lease, err := w.client.CoordinationV1().Leases(w.namespace).Get(ctx, "l", metav1.GetOptions{})
	if err != nil || lease.Spec.RenewTime == nil || lease.Spec.LeaseTransitions == nil {
		return fmt.Errorf("the lease: %+v, %v", lease, err)
	}
	return first(expect("holder", *lease.Spec.HolderIdentity, "two"), expect("two led at once", overlap.Load(), false))
}

func events(ctx context.Context, w world) error {
	broadcaster := record.NewBroadcaster(record.WithContext(ctx))
	broadcaster.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: w.client.CoreV1().Events(w.namespace)})
	defer broadcaster.Shutdown()
	about, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("e", "1"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	recorder := broadcaster.NewRecorder(scheme.Scheme, corev1.EventSource{Component: "peer"})
	for range 3 {
		recorder.Event(about, corev1.EventTypeNormal, "Happened", "it happened")
	}
	return until(ctx, "one event, seen three times", func() bool {
		found, err := w.client.CoreV1().Events(w.namespace).Search(scheme.Scheme, about)
		return err == nil && len(found.Items) == 1 && found.Items[0].Count == 3
	})
}

func discoveries(ctx context.Context, w world) error {
	cached := memory.NewMemCacheClient(w.client.Discovery())
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(cached)
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "v1")
	if err != nil {
		return err
	}
	if err := expect("scope", mapping.Scope.Name(), meta.RESTScopeNameNamespace); err != nil {
		return err
	}
	expanded := restmapper.NewShortcutExpander(mapper, cached, nil)
	found, err := expanded.ResourceFor(schema.GroupVersionResource{Resource: "deploy"})
	if err := first(err, expect("short name", found.Resource, "deployments")); err != nil {
		return err
	}
	preferred, err := discovery.ServerPreferredNamespacedResources(cached)
	if err != nil || len(preferred) < 8 {
		return fmt.Errorf("preferred resources: %d, %v", len(preferred), err)
	}
	version, err := w.client.Discovery().ServerVersion()
	if err != nil || version.Major != "1" {
		return fmt.Errorf("version: %v, %v", version, err)
	}
	paths, err := w.client.Discovery().OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	core, ok := paths["api/v1"]
	if !ok {
		return fmt.Errorf("no document of api/v1")
	}
	if document, err := core.Schema("application/com.github.proto-openapi.spec.v3@v1.0+protobuf"); err != nil {
		return fmt.Errorf("the document of api/v1 in protobuf: %w", err)
	} else if len(document) == 0 {
		return fmt.Errorf("the document of api/v1 is empty")
	}
	if _, err := w.client.Discovery().OpenAPISchema(); err != nil {
		return fmt.Errorf("OpenAPI v2: %w", err)
	}
	return nil
}
