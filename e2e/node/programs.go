package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// program is one executable that is built from a pinned Go module.
type program struct {
	name   string
	dir    string  // the module of this folder that pins it
	path   string  // its package
	stamps []stamp // how it learns its version
	tags   string  // build tags
	hint   string  // what to expect, for the person who waits
}

// stamp says which module's version is written into which variables.
// In a variable's value, %v is the version (v1.2.3), %M its major and %m its minor number.
type stamp struct {
	module string
	vars   []string
}

var (
	kubernetesStamp = stamp{"k8s.io/kubernetes", []string{
		"k8s.io/component-base/version.gitVersion=%v",
		"k8s.io/component-base/version.gitMajor=%M",
		"k8s.io/component-base/version.gitMinor=%m",
		"k8s.io/component-base/version.gitTreeState=clean",
	}}
	containerdStamp = stamp{"github.com/containerd/containerd/v2", []string{
		"github.com/containerd/containerd/v2/version.Version=%v",
	}}
	helmStamp = stamp{"helm.sh/helm/v3", []string{
		"helm.sh/helm/v3/internal/version.version=%v",
	}}
	// Helm assumes this Kubernetes where it renders a chart without a cluster.
	helmClientStamp = stamp{"k8s.io/client-go", []string{
		"helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
		"helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=%m",
		"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
		"helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=%m",
	}}
)

// containerdTags leaves out storage drivers that would need C libraries.
const containerdTags = "no_btrfs,no_devmapper,no_zfs"

// programs are all that a node needs, in the order in which they are built.
var programs = []program{
	{name: "kube-apiserver", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kube-apiserver", stamps: []stamp{kubernetesStamp}, hint: "about 3 minutes on two cores: it compiles most of what the others share"},
	{name: "kube-controller-manager", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kube-controller-manager", stamps: []stamp{kubernetesStamp}},
	{name: "kube-scheduler", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kube-scheduler", stamps: []stamp{kubernetesStamp}},
	{name: "kubelet", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kubelet", stamps: []stamp{kubernetesStamp}},
	{name: "kube-proxy", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kube-proxy", stamps: []stamp{kubernetesStamp}},
	{name: "kubectl", dir: "kubernetes", path: "k8s.io/kubernetes/cmd/kubectl", stamps: []stamp{kubernetesStamp}},
	{name: "containerd", dir: "runtime", path: "github.com/containerd/containerd/v2/cmd/containerd", stamps: []stamp{containerdStamp}, tags: containerdTags},
	{name: "containerd-shim-runc-v2", dir: "runtime", path: "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2", stamps: []stamp{containerdStamp}, tags: containerdTags},
	{name: "ctr", dir: "runtime", path: "github.com/containerd/containerd/v2/cmd/ctr", stamps: []stamp{containerdStamp}, tags: containerdTags},
	{name: "etcd", dir: "runtime", path: "go.etcd.io/etcd/server/v3"},
	{name: "helm", dir: "helm", path: "helm.sh/helm/v3/cmd/helm", stamps: []stamp{helmStamp, helmClientStamp}, hint: "about a minute and a half"},
	{name: "pause", dir: ".", path: "./pause"},
}

// linkFlags are the linker's flags: no symbol tables, and the version stamp.
func (p program) linkFlags(source string) (string, error) {
	flags := "-s -w"
	for _, stamp := range p.stamps {
		version, err := pinnedVersion(filepath.Join(source, p.dir, "go.mod"), stamp.module)
		if err != nil {
			return "", err
		}
		parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
		if len(parts) != 3 {
			return "", fmt.Errorf("%s: %s is pinned to %q, which is no version", p.dir, stamp.module, version)
		}
		replace := strings.NewReplacer("%v", version, "%M", parts[0], "%m", parts[1])
		for _, v := range stamp.vars {
			flags += " -X " + replace.Replace(v)
		}
	}
	return flags, nil
}

// pinnedVersion reads a module's version from the requirements of a go.mod file.
func pinnedVersion(gomod, module string) (string, error) {
	data, err := os.ReadFile(gomod)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(fields) >= 2 && fields[0] == module && strings.HasPrefix(fields[1], "v") {
			return fields[1], nil
		}
	}
	return "", fmt.Errorf("%s does not require %s", gomod, module)
}

// pinsKey names the set of programs that the pins describe: other pins, another key.
func pinsKey(source string) (string, error) {
	hash := sha256.New()
	fmt.Fprintln(hash, runtime.GOOS, runtime.GOARCH)
	for _, p := range programs {
		p.hint = "" // words for a person
		fmt.Fprintf(hash, "%+v\n", p)
	}
	files := []string{"pause/main.go"}
	for _, dir := range []string{"kubernetes", "runtime", "helm"} {
		files = append(files, dir+"/go.mod", dir+"/go.sum")
	}
	for _, file := range files {
		data, err := os.ReadFile(filepath.Join(source, file))
		if err != nil {
			return "", fmt.Errorf("the pins are incomplete: %w", err)
		}
		fmt.Fprintln(hash, file, len(data))
		hash.Write(data)
	}
	return hex.EncodeToString(hash.Sum(nil))[:12], nil
}

// binFolder is where the programs of the current pins are, or will be.
func binFolder() (string, error) {
	cache, err := cacheRoot()
	if err != nil {
		return "", err
	}
	source, err := sourceRoot()
	if err != nil {
		return "", err
	}
	key, err := pinsKey(source)
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, key), nil
}
