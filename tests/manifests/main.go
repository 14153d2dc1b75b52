// SPDX-License-Identifier: Apache-2.0

// manifests FILE ...: are these Kubernetes manifests ones that an API server takes? Every document is decoded into the
// type that Kubernetes itself has for it: unknown and repeated fields, wrong types and missing fields that must be
// there are errors, as are names and labels of a wrong form, selectors that do not select their own template, mounts of
// volumes that are not there. One line per fault, exit status 1 then.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"strings"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	node "k8s.io/api/node/v1"
	rbac "k8s.io/api/rbac/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

var types = map[string]func() meta.Object{
	"v1 Pod":                      func() meta.Object { return &core.Pod{} },
	"v1 Service":                  func() meta.Object { return &core.Service{} },
	"v1 ServiceAccount":           func() meta.Object { return &core.ServiceAccount{} },
	"v1 ConfigMap":                func() meta.Object { return &core.ConfigMap{} },
	"apps/v1 DaemonSet":           func() meta.Object { return &apps.DaemonSet{} },
	"apps/v1 Deployment":          func() meta.Object { return &apps.Deployment{} },
	"node.k8s.io/v1 RuntimeClass": func() meta.Object { return &node.RuntimeClass{} },
	"rbac.authorization.k8s.io/v1 ClusterRole":        func() meta.Object { return &rbac.ClusterRole{} },
	"rbac.authorization.k8s.io/v1 ClusterRoleBinding": func() meta.Object { return &rbac.ClusterRoleBinding{} },
}

var faults int

func fault(where, format string, args ...any) {
	faults++
	fmt.Printf("%s: %s\n", where, fmt.Sprintf(format, args...))
}

// required finds fields that the type does not allow to be left out.
func required(where string, t reflect.Type, value any) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if reflect.PointerTo(t).Implements(reflect.TypeOf((*json.Unmarshaler)(nil)).Elem()) {
		return // a quantity, a time: their own decoders have judged
	}
	switch v := value.(type) {
	case []any:
		for i, element := range v {
			required(fmt.Sprintf("%s[%d]", where, i), t.Elem(), element)
		}
	case map[string]any:
		if t.Kind() != reflect.Struct {
			return
		}
		for i := 0; i < t.NumField(); i++ {
			field := t.Field(i)
			name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
			inner, there := v[name]
			switch {
			case strings.Contains(options, "inline"):
				required(where, field.Type, value)
			case there:
				required(where+"."+name, field.Type, inner)
			case !strings.Contains(options, "omitempty") && name != "-":
				fault(where, "%s is missing", name)
			}
		}
	}
}

func checkLabels(where string, set map[string]string) {
	for key, value := range set {
		for _, text := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
			fault(where, "label %s=%s: %s", key, value, text)
		}
	}
}

func checkTemplate(where string, selector *meta.LabelSelector, template *core.PodTemplateSpec) {
	s, err := meta.LabelSelectorAsSelector(selector)
	if err != nil {
		fault(where, "spec.selector: %v", err)
	} else if s.Empty() || !s.Matches(labels.Set(template.Labels)) {
		fault(where, "spec.selector does not select the template's labels")
	}
	checkLabels(where, template.Labels)
	checkPod(where, &template.Spec)
}

func checkPod(where string, spec *core.PodSpec) {
	volumes := map[string]bool{}
	for _, volume := range spec.Volumes {
		volumes[volume.Name] = true
	}
	checkLabels(where, spec.NodeSelector)
	if len(spec.Containers) == 0 {
		fault(where, "no containers")
	}
	for _, c := range spec.Containers {
		for _, text := range validation.IsDNS1123Label(c.Name) {
			fault(where, "container %s: %s", c.Name, text)
		}
		if c.Image == "" {
			fault(where, "container %s: no image", c.Name)
		}
		for _, mount := range c.VolumeMounts {
			if !volumes[mount.Name] {
				fault(where, "container %s mounts %s, which is no volume of the pod", c.Name, mount.Name)
			}
		}
		for resource, limit := range c.Resources.Limits {
			if request, there := c.Resources.Requests[resource]; there && request.Cmp(limit) > 0 {
				fault(where, "container %s requests more %s than its limit", c.Name, resource)
			}
		}
	}
}

func check(where string, document []byte) {
	var kind meta.TypeMeta
	var raw any
	if err := yaml.Unmarshal(document, &kind); err != nil {
		fault(where, "%v", err)
		return
	}
	where += " " + kind.Kind
	make := types[kind.APIVersion+" "+kind.Kind]
	if make == nil {
		fault(where, "%q of %q is no type that is known here", kind.Kind, kind.APIVersion)
		return
	}
	object := make()
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		fault(where, "%v", err)
		return
	}
	wrong, err := kjson.UnmarshalStrict(text, object)
	if err != nil {
		wrong = append(wrong, err)
	}
	for _, err := range wrong {
		fault(where, "%v", err)
	}
	if len(wrong) > 0 {
		return
	}
	_ = json.Unmarshal(text, &raw) // has been decoded above
	required(where, reflect.TypeOf(object), raw)
	for _, text := range validation.IsDNS1123Subdomain(object.GetName()) {
		fault(where, "metadata.name: %s", text)
	}
	checkLabels(where, object.GetLabels())
	switch o := object.(type) {
	case *core.Pod:
		checkPod(where, &o.Spec)
	case *apps.DaemonSet:
		checkTemplate(where, o.Spec.Selector, &o.Spec.Template)
	case *apps.Deployment:
		checkTemplate(where, o.Spec.Selector, &o.Spec.Template)
	case *node.RuntimeClass:
		for _, text := range validation.IsDNS1123Label(o.Handler) {
			fault(where, "handler: %s", text)
		}
		if o.Scheduling != nil {
			checkLabels(where, o.Scheduling.NodeSelector)
		}
	}
}

func main() {
	separator := regexp.MustCompile(`(?m)^---\s*$`)
	for _, path := range os.Args[1:] {
		text, err := os.ReadFile(path)
		if err != nil {
			fault(path, "%v", err)
			continue
		}
		for _, document := range separator.Split(string(text), -1) {
			if len(bytes.TrimSpace([]byte(document))) > 0 {
				check(path, []byte(document))
			}
		}
	}
	if len(os.Args) < 2 || faults > 0 {
		os.Exit(1)
	}
}
