// What client-go and controller-runtime do to a server, and whether they notice a difference.
//
// The program takes a kubeconfig, makes a namespace of its own, walks through its checks, says for each
// whether it holds, and takes the namespace away. It ends with 1 if one of them fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// world is what a check has in hand.
type world struct {
	config    *rest.Config
	client    *kubernetes.Clientset
	namespace string
}

type check struct {
	name string
	run  func(context.Context, world) error
}

var checks = []check{
	{"typed: create, get, list, update, status, patch and delete in protobuf", typed},
	{"typed: errors keep their reasons", typedErrors},
	{"typed: many kinds come back as they were sent", typedKinds},
	{"scale, eviction, token, reviews", subresources},
	{"apply configurations: ownership, conflict, force, extract", applyConfigurations},
	{"dynamic and metadata clients: a custom resource's life", customResources},
	{"informer: starts by a watch-list, sees every change", informers},
	{"informer: of metadata alone", metadataInformer},
	{"watch: bookmarks, 410 for a revision that is gone", watches},
	{"list: pages that are consistent", pages},
	{"leader election by a Lease: one at a time, and a successor", leaders},
	{"events: recorded and merged", events},
	{"discovery: mapper, preferred resources, OpenAPI", discoveries},
	{"controller-runtime: a manager with cache, index, finalizer and owner", managers},
	{"controller-runtime: server-side apply and status by the typed client", runtimeClient},
}

func main() {
	only := flag.String("only", "", "run the checks whose name begins so")
	flag.Parse()
	kubeconfig := flag.Lookup("kubeconfig").Value.String() // controller-runtime's
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	must(err)
	config.QPS = -1
	client, err := kubernetes.NewForConfig(config)
	must(err)
	failed := 0
	for index, one := range checks {
		if len(one.name) < len(*only) || one.name[:len(*only)] != *only {
			continue
		}
		if err := within(config, client, index, one); err != nil {
			failed++
			fmt.Printf("FAILED  %s\n        %v\n", one.name, err)
		} else {
			fmt.Printf("ok      %s\n", one.name)
		}
	}
	if failed > 0 {
		fmt.Printf("%d of %d failed\n", failed, len(checks))
		os.Exit(1)
	}
}

func within(config *rest.Config, client *kubernetes.Clientset, index int, one check) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name := fmt.Sprintf("clientgo-%d-%d", os.Getpid(), index)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := client.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{}); err != nil {
		return err
	}
	defer func() {
		_ = client.CoreV1().Namespaces().Delete(context.Background(), name, metav1.DeleteOptions{})
	}()
	return one.run(ctx, world{config, client, name})
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

// until polls for a condition, as everything else would be a guess at how long things take.
func until(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not come true in time: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// expect is an error unless two values print alike.
func expect(what string, found, wanted any) error {
	if a, b := fmt.Sprint(found), fmt.Sprint(wanted); a != b {
		return fmt.Errorf("%s: found %s, wanted %s", what, a, b)
	}
	return nil
}

// first returns the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
