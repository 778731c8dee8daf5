package main

import (
	"os"
	"syscall"
)

// The node's own small world. Nothing of it is visible outside its network namespace.
const (
	nodeName          = "node1"
	nodeAddress       = "10.88.0.1"
	nowhereAddress    = "10.88.0.2"
	podRange          = "10.244.0.0/16"
	nodePodRange      = "10.244.0.0/22" // 1022 addresses: more than the kubelet's limit of pods
	serviceRange      = "10.96.0.0/16"
	apiServiceAddress = "10.96.0.1"
	clusterDomain     = "cluster.local"
	maxPods           = 250
)

// object is a JSON object.
type object = map[string]any

// writeConfigs writes the files that the components read. JSON is YAML too; only containerd wants another syntax.
func writeConfigs(i instance, bin string) error {
	files := map[string][]byte{
		i.path("conf", "kubelet.json"):      asJSON(kubeletConfig(i)),
		i.path("conf", "containerd.toml"):   []byte(containerdConfig(i)),
		i.path("conf", "resolv.conf"):       []byte("nameserver " + nodeAddress + "\n"),
		i.path("cni", "10-bridge.conflist"): asJSON(networkConfig()),
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func kubeletConfig(i instance) object {
	return object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true},
			"x509":      object{"clientCAFile": i.path("pki", "ca.crt")},
		},
		"authorization":            object{"mode": "Webhook"},
		"tlsCertFile":              i.path("pki", "kubelet-server.crt"),
		"tlsPrivateKeyFile":        i.path("pki", "kubelet-server.key"),
		"containerRuntimeEndpoint": "unix://" + i.path("containerd.sock"),
		"resolvConf":               i.path("conf", "resolv.conf"),
		"volumePluginDir":          i.path("kubelet", "volume-plugins"),
		"clusterDNS":               []string{nodeAddress},
		"clusterDomain":            clusterDomain,
		// The node shares the machine: it reserves nothing and works with either kind of cgroups.
		"failCgroupV1":           false,
		"cgroupDriver":           "cgroupfs",
		"cgroupRoot":             "/" + i.cgroupName(),
		"cgroupsPerQOS":          true,
		"enforceNodeAllocatable": []string{},
		"failSwapOn":             false,
		"maxPods":                maxPods,
		"serializeImagePulls":    false,
		// A full disk of the developer's is no reason to evict, and images cannot be fetched again.
		"evictionHard":                object{"memory.available": "50Mi"},
		"imageGCHighThresholdPercent": 100,
	}
}

func containerdConfig(i instance) string {
	return `version = 3
root = "` + i.path("containerd") + `"
state = "/run/containerd"

[grpc]
  address = "` + i.path("containerd.sock") + `"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "` + snapshotter(i.path()) + `"

[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "` + pauseImage + `"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["` + cniFolder + `", "/opt/cni/bin"]
  conf_dir = "` + i.path("cni") + `"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  SystemdCgroup = false
`
}

// snapshotter is how containerd layers images: overlay mounts, except on a file system that is one itself.
func snapshotter(dir string) string {
	const overlayMagic = 0x794c7630
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err == nil && int64(fs.Type) == overlayMagic {
		return "native"
	}
	return "overlayfs"
}

func networkConfig() object {
	return object{
		"cniVersion": "1.0.0",
		"name":       "pods",
		"plugins": []any{
			object{
				"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true,
				"ipam": object{
					"type":   "host-local",
					"ranges": []any{[]any{object{"subnet": nodePodRange}}},
					"routes": []any{object{"dst": "0.0.0.0/0"}},
				},
			},
			object{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
}
