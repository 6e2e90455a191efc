package main

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	everything "k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/watch"
	clientinformers "k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

func configMap(name, value string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: name}, Data: map[string]string{"a": value}}
}

func informers(ctx context.Context, w world) error {
	api := w.client.CoreV1().ConfigMaps(w.namespace)
	for _, name := range []string{"before-1", "before-2"} {
		if _, err := api.Create(ctx, configMap(name, "1"), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	factory := clientinformers.NewSharedInformerFactoryWithOptions(w.client, 0, clientinformers.WithNamespace(w.namespace))
	informer := factory.Core().V1().ConfigMaps()
	var mutex sync.Mutex
	seen := map[string]int{}
	note := func(kind string, obj any) {
		mutex.Lock()
		defer mutex.Unlock()
		if gone, ok := obj.(cache.DeletedFinalStateUnknown); ok {
			obj = gone.Obj
		}
		seen[kind+" "+obj.(*corev1.ConfigMap).Name]++
	}
	_, err := informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(obj any) { note("add", obj) },
		UpdateFunc: func(_, obj any) { note("update", obj) },
		DeleteFunc: func(obj any) { note("delete", obj) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	for kind, ok := range factory.WaitForCacheSync(ctx.Done()) {
		if !ok {
			return fmt.Errorf("the cache of %v did not fill", kind)
		}
	}
	if found, err := informer.Lister().List(everything.Everything()); err != nil || len(found) < 2 {
		return fmt.Errorf("after the start: %v, %v", found, err)
	}
	for index := range 20 {
		name := fmt.Sprintf("c%d", index)
		made, err := api.Create(ctx, configMap(name, "1"), metav1.CreateOptions{})
		if err != nil {
			return err
		}
		made.Data["a"] = "2"
		if _, err := api.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
			return err
		}
		if err := api.Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
			return err
		}
	}
	err = until(ctx, "every change is seen", func() bool {
		mutex.Lock()
		defer mutex.Unlock()
		return seen["delete c19"] == 1
	})
	if err != nil {
		return err
	}
	mutex.Lock()
	defer mutex.Unlock()
	for index := range 20 {
		for _, kind := range []string{"add", "update", "delete"} {
			if seen[fmt.Sprintf("%s c%d", kind, index)] != 1 {
				return fmt.Errorf("not seen once: %s c%d (%v)", kind, index, seen)
			}
		}
	}
	return nil
}

func metadataInformer(ctx context.Context, w world) error {
	client, err := metadata.NewForConfig(w.config)
	if err != nil {
		return err
	}
	if _, err := w.client.CoreV1().ConfigMaps(w.namespace).Create(ctx, configMap("m", "1"), metav1.CreateOptions{}); err != nil {
		return err
	}
	factory := metadatainformer.NewFilteredSharedInformerFactory(client, 0, w.namespace, nil)
	informer := factory.ForResource(corev1.SchemeGroupVersion.WithResource("configmaps"))
	synced := informer.Informer().HasSynced
	factory.Start(ctx.Done())
	if err := until(ctx, "the cache is filled", synced); err != nil {
		return err
	}
	found, err := informer.Lister().ByNamespace(w.namespace).Get("m")
	if err != nil {
		return err
	}
	return expect("name", found.(metav1.Object).GetName(), "m")
}

func watches(ctx context.Context, w world) error {
	api := w.client.CoreV1().ConfigMaps(w.namespace)
	made, err := api.Create(ctx, configMap("w", "1"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	yes, timeout := true, int64(20)
	stream, err := api.Watch(ctx, metav1.ListOptions{
		AllowWatchBookmarks: true, SendInitialEvents: &yes, TimeoutSeconds: &timeout,
		ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, FieldSelector: "metadata.name=w",
	})
	if err != nil {
		return err
	}
	defer stream.Stop()
	added, bookmark := <-stream.ResultChan(), <-stream.ResultChan()
	if added.Type != watch.Added || bookmark.Type != watch.Bookmark {
		return fmt.Errorf("the watch-list began with %v, %v", added.Type, bookmark.Type)
	}
	if bookmark.Object.(*corev1.ConfigMap).Annotations[metav1.InitialEventsAnnotationKey] != "true" {
		return fmt.Errorf("the bookmark does not say that the initial events are over")
	}
	made.Data["a"] = "2"
	changed, err := api.Update(ctx, made, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	modified := <-stream.ResultChan()
	if err := expect("revision", modified.Object.(*corev1.ConfigMap).ResourceVersion, changed.ResourceVersion); err != nil {
		return err
	}
	late, err := api.Watch(ctx, metav1.ListOptions{
		ResourceVersion: made.ResourceVersion, TimeoutSeconds: &timeout, FieldSelector: "metadata.name=w",
	})
	if err != nil {
		return err
	}
	defer late.Stop()
	if err := expect("from a revision on", (<-late.ResultChan()).Type, watch.Modified); err != nil {
		return err
	}
	_, err = api.List(ctx, metav1.ListOptions{ResourceVersion: "999999999", ResourceVersionMatch: metav1.ResourceVersionMatchExact})
	if !apierrors.IsTimeout(err) {
		return fmt.Errorf("a revision that is not yet is no timeout: %v", err)
	}
	return nil
}

func pages(ctx context.Context, w world) error {
	api := w.client.CoreV1().ConfigMaps(w.namespace)
	for index := range 25 {
		if _, err := api.Create(ctx, configMap(fmt.Sprintf("p%02d", index), "1"), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	// Controllers of the cluster may put ConfigMaps there as well.
	options := metav1.ListOptions{Limit: 10, FieldSelector: "metadata.name!=kube-root-ca.crt"}
	var names []string
	revision := ""
	for {
		page, err := api.List(ctx, options)
		if err != nil {
			return err
		}
		if revision != "" && page.ResourceVersion != revision {
			return fmt.Errorf("a page of another revision: %s, %s", page.ResourceVersion, revision)
		}
		revision = page.ResourceVersion
		for _, one := range page.Items {
			names = append(names, one.Name)
		}
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
		if _, err := api.Create(ctx, configMap(fmt.Sprintf("q%02d", len(names)), "1"), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	return expect("names", len(names), 25)
}
