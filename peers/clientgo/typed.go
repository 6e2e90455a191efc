package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/util/retry"
)

var labels = map[string]string{"app": "x"}

func podSpec() corev1.PodSpec {
	return corev1.PodSpec{Containers: []corev1.Container{{
		Name:  "main",
		Image: "none",
		Env:   []corev1.EnvVar{{Name: "A", Value: "b"}},
		Ports: []corev1.ContainerPort{{ContainerPort: 80}},
		Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("100m"),
		}},
		ReadinessProbe: &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/", Port: intstr.FromInt32(80)},
		}},
	}}}
}

func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: podSpec()}
}

func deployment(name string, replicas int32) *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Paused:   true,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: template(),
		},
	}
}

func typed(ctx context.Context, w world) error {
	api := w.client.AppsV1().Deployments(w.namespace)
	made, err := api.Create(ctx, deployment("d", 0), metav1.CreateOptions{FieldManager: "peer"})
	if err != nil {
		return err
	}
	if made.UID == "" || made.Generation != 1 || made.Spec.Strategy.Type != appsv1.RollingUpdateDeploymentStrategyType {
		return fmt.Errorf("not as created: %+v", made)
	}
	// A controller may write the status meanwhile.
	err = retry.RetryOnConflict(retry.DefaultRetry, func() error {
		live, err := api.Get(ctx, "d", metav1.GetOptions{})
		if err != nil {
			return err
		}
		live.Spec.MinReadySeconds = 3
		live, err = api.Update(ctx, live, metav1.UpdateOptions{})
		return first(err, expect("generation", live.Generation, 2))
	})
	if err != nil {
		return err
	}
	if _, err := api.Update(ctx, made, metav1.UpdateOptions{}); !apierrors.IsConflict(err) {
		return fmt.Errorf("an old resourceVersion is no conflict: %v", err)
	}
	patch := []byte(`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"other"}]}}}}`)
	patched, err := api.Patch(ctx, "d", types.StrategicMergePatchType, patch, metav1.PatchOptions{})
	if err != nil {
		return err
	}
	container := patched.Spec.Template.Spec.Containers[0]
	if container.Image != "other" || len(container.Env) != 1 {
		return fmt.Errorf("the merge did not find the container: %+v", container)
	}
	patched.Status.Conditions = append(patched.Status.Conditions, appsv1.DeploymentCondition{
		Type: "peer.example.com/Seen", Status: corev1.ConditionTrue, LastTransitionTime: metav1.Now(),
	})
	if _, err := api.UpdateStatus(ctx, patched, metav1.UpdateOptions{}); err != nil && !apierrors.IsConflict(err) {
		return err
	}
	list, err := api.List(ctx, metav1.ListOptions{LabelSelector: "app in (x,y)", FieldSelector: "metadata.name=d"})
	if err != nil || len(list.Items) != 1 {
		return fmt.Errorf("list: %v, %v", list, err)
	}
	policy := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &policy, Preconditions: metav1.NewUIDPreconditions(string(made.UID))}
	return api.Delete(ctx, "d", options)
}

func typedErrors(ctx context.Context, w world) error {
	api := w.client.CoreV1().ConfigMaps(w.namespace)
	_, err := api.Get(ctx, "absent", metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return fmt.Errorf("not NotFound: %v", err)
	}
	one := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	_, err = api.Create(ctx, one, metav1.CreateOptions{})
	if err == nil {
		_, err = api.Create(ctx, one, metav1.CreateOptions{})
	}
	if !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("not AlreadyExists: %v", err)
	}
	_, err = api.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "No"}}, metav1.CreateOptions{})
	if !apierrors.IsInvalid(err) {
		return fmt.Errorf("not Invalid: %v", err)
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || len(status.Status().Details.Causes) != 1 {
		return fmt.Errorf("without its cause: %v", err)
	}
	uid := types.UID("other")
	err = api.Delete(ctx, "a", metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid}})
	if !apierrors.IsConflict(err) {
		return fmt.Errorf("not Conflict: %v", err)
	}
	_, err = api.Create(ctx, one, metav1.CreateOptions{DryRun: []string{"None"}})
	if !apierrors.IsInvalid(err) {
		return fmt.Errorf("a wrong dry run is not Invalid: %v", err)
	}
	return nil
}

// typedKinds sends objects whose protobuf is unlike each other and compares what comes back.
func typedKinds(ctx context.Context, w world) error {
	c, ns := w.client, w.namespace
	meta := metav1.ObjectMeta{Name: "k", Labels: labels}
	job := &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Suspend: new(true), Template: template()}}
	job.Spec.Template.Spec.RestartPolicy = corev1.RestartPolicyNever
	sent := job.Spec.Template.Spec.Containers[0].Env
	gotJob, err := c.BatchV1().Jobs(ns).Create(ctx, job, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("job: %w", err)
	}
	path := networkingv1.PathTypePrefix
	ingress := &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
		Host: "x.example.com",
		IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
			Path: "/", PathType: &path,
			Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "s", Port: networkingv1.ServiceBackendPort{Number: 80}}},
		}}}},
	}}}}
	gotIngress, err := c.NetworkingV1().Ingresses(ns).Create(ctx, ingress, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ingress: %w", err)
	}
	half := intstr.FromString("50%")
	budget := &policyv1.PodDisruptionBudget{ObjectMeta: meta, Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: &half, Selector: &metav1.LabelSelector{MatchLabels: labels}}}
	gotBudget, err := c.PolicyV1().PodDisruptionBudgets(ns).Create(ctx, budget, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("budget: %w", err)
	}
	role := &rbacv1.Role{ObjectMeta: meta, Rules: []rbacv1.PolicyRule{{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}}}
	gotRole, err := c.RbacV1().Roles(ns).Create(ctx, role, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	scaler := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: meta, Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
		ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "d"},
		MaxReplicas:    3,
		Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
			Name: corev1.ResourceCPU, Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: new(int32(50))},
		}}},
	}}
	if _, err := c.AutoscalingV2().HorizontalPodAutoscalers(ns).Create(ctx, scaler, metav1.CreateOptions{}); err != nil {
		return fmt.Errorf("autoscaler: %w", err)
	}
	older, err := c.AutoscalingV1().HorizontalPodAutoscalers(ns).Get(ctx, "k", metav1.GetOptions{})
	if err != nil {
		return fmt.Errorf("autoscaling/v1: %w", err)
	}
	secret := &corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"a": {0, 255}}, StringData: map[string]string{"b": "c"}}
	gotSecret, err := c.CoreV1().Secrets(ns).Create(ctx, secret, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	for what, same := range map[string]bool{
		"job":        reflect.DeepEqual(gotJob.Spec.Template.Spec.Containers[0].Env, sent),
		"ingress":    reflect.DeepEqual(gotIngress.Spec, ingress.Spec),
		"budget":     gotBudget.Spec.MinAvailable.String() == "50%",
		"role":       reflect.DeepEqual(gotRole.Rules, role.Rules),
		"autoscaler": older.Spec.TargetCPUUtilizationPercentage != nil && *older.Spec.TargetCPUUtilizationPercentage == 50,
		"secret":     reflect.DeepEqual(gotSecret.Data, map[string][]byte{"a": {0, 255}, "b": []byte("c")}),
	} {
		if !same {
			return fmt.Errorf("not as sent: %s", what)
		}
	}
	return nil
}

func subresources(ctx context.Context, w world) error {
	c, ns := w.client, w.namespace
	deployments := c.AppsV1().Deployments(ns)
	if _, err := deployments.Create(ctx, deployment("d", 0), metav1.CreateOptions{}); err != nil {
		return err
	}
	err := retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale, err := deployments.GetScale(ctx, "d", metav1.GetOptions{})
		if err != nil {
			return err
		}
		scale.Spec.Replicas = 2
		scale, err = deployments.UpdateScale(ctx, "d", scale, metav1.UpdateOptions{})
		return first(err, expect("scale", scale.Spec, autoscalingv1.ScaleSpec{Replicas: 2}))
	})
	if err != nil {
		return fmt.Errorf("scale: %w", err)
	}
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p"}, Spec: podSpec()}
	if _, err := c.CoreV1().Pods(ns).Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		return err
	}
	eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: ns}}
	if err := c.PolicyV1().Evictions(ns).Evict(ctx, eviction); err != nil {
		return fmt.Errorf("evict: %w", err)
	}
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "a"}}
	if _, err := c.CoreV1().ServiceAccounts(ns).Create(ctx, account, metav1.CreateOptions{}); err != nil {
		return err
	}
	token, err := c.CoreV1().ServiceAccounts(ns).CreateToken(ctx, "a", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil || token.Status.Token == "" {
		return fmt.Errorf("token: %w", err)
	}
	reviewed, err := c.AuthenticationV1().TokenReviews().Create(ctx, &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}, metav1.CreateOptions{})
	if err = first(err, expect("user", reviewed.Status.User.Username, "system:serviceaccount:"+ns+":a")); err != nil {
		return fmt.Errorf("token review: %w", err)
	}
	access, err := c.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: ns, Verb: "get", Resource: "pods"}},
	}, metav1.CreateOptions{})
	if err = first(err, expect("allowed", access.Status.Allowed, true)); err != nil {
		return fmt.Errorf("access review: %w", err)
	}
	return nil
}
