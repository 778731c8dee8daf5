package main

import "path/filepath"

// component is a program that runs for the node's whole life. Its log has the component's name.
type component struct {
	name string
	argv []string
}

func etcdComponent(i instance) component {
	return component{"etcd", []string{
		"etcd", "--data-dir=" + i.path("etcd"), "--unsafe-no-fsync", "--log-level=warn",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
		"--listen-peer-urls=http://127.0.0.1:2380",
	}}
}

func containerdComponent(i instance) component {
	return component{"containerd", []string{"containerd", "--config=" + i.path("conf", "containerd.toml")}}
}

func apiServerComponent(i instance) component {
	return component{"kube-apiserver", []string{
		"kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379",
		"--advertise-address=" + nodeAddress, "--bind-address=0.0.0.0", "--secure-port=6443",
		"--service-cluster-ip-range=" + serviceRange,
		"--tls-cert-file=" + i.path("pki", "apiserver.crt"), "--tls-private-key-file=" + i.path("pki", "apiserver.key"),
		"--client-ca-file=" + i.path("pki", "ca.crt"),
		"--service-account-key-file=" + i.path("pki", "sa.pub"),
		"--service-account-signing-key-file=" + i.path("pki", "sa.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + clusterDomain,
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
		// The kubelet is spoken to by address: the node's name resolves nowhere.
		"--kubelet-preferred-address-types=InternalIP",
		"--kubelet-certificate-authority=" + i.path("pki", "ca.crt"),
		"--kubelet-client-certificate=" + i.path("pki", "apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + i.path("pki", "apiserver-kubelet-client.key"),
	}}
}

func controllerManagerComponent(i instance) component {
	return component{"kube-controller-manager", []string{
		"kube-controller-manager", "--kubeconfig=" + kubeconfigOf(i, "controller-manager"),
		"--service-account-private-key-file=" + i.path("pki", "sa.key"), "--root-ca-file=" + i.path("pki", "ca.crt"),
		"--cluster-signing-cert-file=" + i.path("pki", "ca.crt"), "--cluster-signing-key-file=" + i.path("pki", "ca.key"),
		"--use-service-account-credentials", "--cluster-cidr=" + podRange, "--leader-elect=false", "--bind-address=127.0.0.1",
		// The defaults would hold back the start of the controllers for seconds, and later every rollout.
		"--kube-api-qps=500", "--kube-api-burst=1000", "--node-monitor-period=1s",
	}}
}

func schedulerComponent(i instance) component {
	return component{"kube-scheduler", []string{
		"kube-scheduler", "--kubeconfig=" + kubeconfigOf(i, "scheduler"), "--leader-elect=false", "--bind-address=127.0.0.1",
	}}
}

func kubeletComponent(i instance) component {
	return component{"kubelet", []string{
		"kubelet", "--config=" + i.path("conf", "kubelet.json"), "--kubeconfig=" + kubeconfigOf(i, "kubelet"),
		"--hostname-override=" + nodeName, "--node-ip=" + nodeAddress, "--root-dir=" + i.path("kubelet"),
	}}
}

func proxyComponent(i instance) component {
	return component{"kube-proxy", []string{
		"kube-proxy", "--kubeconfig=" + kubeconfigOf(i, "proxy"), "--proxy-mode=nftables",
		"--cluster-cidr=" + podRange, "--hostname-override=" + nodeName,
		// Zero leaves the kernel's connection tracking as it is: its size belongs to the machine.
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0", "--conntrack-tcp-timeout-close-wait=0",
	}}
}

func kubeconfigOf(i instance, user string) string {
	return filepath.Join(i.path("conf"), user+".kubeconfig")
}
