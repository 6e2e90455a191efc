package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

const finalizer = "peer.example.com/tidy"

// copier keeps a Secret with the data of each ConfigMap that is labelled so.
type copier struct {
	client.Client
}

func (c *copier) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var source corev1.ConfigMap
	if err := c.Get(ctx, request.NamespacedName, &source); err != nil || source.Labels["copy"] == "" {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if !source.DeletionTimestamp.IsZero() {
		if controllerutil.RemoveFinalizer(&source, finalizer) {
			return ctrl.Result{}, c.Update(ctx, &source)
		}
		return ctrl.Result{}, nil
	}
	if controllerutil.AddFinalizer(&source, finalizer) {
		if err := c.Update(ctx, &source); err != nil {
			return ctrl.Result{}, err
		}
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: source.Name, Namespace: source.Namespace}}
	_, err := controllerutil.CreateOrUpdate(ctx, c.Client, secret, func() error {
		secret.Data = map[string][]byte{}
		for _, key := range slices.Sorted(maps.Keys(source.Data)) {
			secret.Data[key] = []byte(source.Data[key])
		}
		return controllerutil.SetControllerReference(&source, secret, scheme.Scheme)
	})
	return ctrl.Result{}, err
}

func managers(ctx context.Context, w world) error {
	log.SetLogger(zap.New())
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	manager, err := ctrl.NewManager(w.config, ctrl.Options{
		Metrics:        server.Options{BindAddress: "0"},
		Cache:          cache.Options{DefaultNamespaces: map[string]cache.Config{w.namespace: {}}},
		LeaderElection: true, LeaderElectionID: "copier", LeaderElectionNamespace: w.namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return err
	}
	byValue := func(obj client.Object) []string { return []string{obj.(*corev1.ConfigMap).Data["a"]} }
	if err := manager.GetFieldIndexer().IndexField(ctx, &corev1.ConfigMap{}, "value", byValue); err != nil {
		return err
	}
	reconciler := &copier{manager.GetClient()}
	if err := ctrl.NewControllerManagedBy(manager).For(&corev1.ConfigMap{}).Owns(&corev1.Secret{}).Complete(reconciler); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	api, secrets := w.client.CoreV1().ConfigMaps(w.namespace), w.client.CoreV1().Secrets(w.namespace)
	source := configMap("s", "1")
	source.Labels = map[string]string{"copy": "yes"}
	if _, err := api.Create(ctx, source, metav1.CreateOptions{}); err != nil {
		return err
	}
	copied := func(value string) func() bool {
		return func() bool {
			found, err := secrets.Get(ctx, "s", metav1.GetOptions{})
			return err == nil && string(found.Data["a"]) == value
		}
	}
	if err := until(ctx, "the copy is made", copied("1")); err != nil {
		return err
	}
	if err := secrets.Delete(ctx, "s", metav1.DeleteOptions{}); err != nil {
		return err
	}
	if err := until(ctx, "the copy is made again", copied("1")); err != nil {
		return err
	}
	var indexed corev1.ConfigMapList
	if err := manager.GetClient().List(ctx, &indexed, client.MatchingFields{"value": "1"}); err != nil {
		return err
	}
	if err := expect("found by the index", len(indexed.Items), 1); err != nil {
		return err
	}
	if err := api.Delete(ctx, "s", metav1.DeleteOptions{}); err != nil {
		return err
	}
	err = until(ctx, "both are gone", func() bool {
		_, one := api.Get(ctx, "s", metav1.GetOptions{})
		_, other := secrets.Get(ctx, "s", metav1.GetOptions{})
		return apierrors.IsNotFound(one) && apierrors.IsNotFound(other)
	})
	stop()
	return first(err, <-ended)
}

func runtimeClient(ctx context.Context, w world) error {
	c, err := client.New(w.config, client.Options{})
	if err != nil {
		return err
	}
	intent := coreapply.ConfigMap("r", w.namespace).WithData(map[string]string{"a": "1"})
	if err := c.Apply(ctx, intent, client.FieldOwner("peer")); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	d := deployment("r", 0)
	d.Namespace = w.namespace
	if err := c.Create(ctx, d); err != nil {
		return err
	}
	before := d.DeepCopy()
	d.Spec.MinReadySeconds = 4
	if err := c.Patch(ctx, d, client.StrategicMergeFrom(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("patch: %w", err)
	}
	before = d.DeepCopy()
	d.Status.Conditions = append(d.Status.Conditions, appsv1.DeploymentCondition{Type: "Peer", Status: "True"})
	if err := c.Status().Patch(ctx, d, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("status: %w", err)
	}
	only := &metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}}
	if err := c.Get(ctx, client.ObjectKeyFromObject(d), only); err != nil {
		return fmt.Errorf("metadata: %w", err)
	}
	if err := c.DeleteAllOf(ctx, &corev1.ConfigMap{}, client.InNamespace(w.namespace)); err != nil {
		return fmt.Errorf("delete all: %w", err)
	}
	return expect("name", only.Name, "r")
}
