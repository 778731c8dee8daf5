package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority signs the node's certificates. They live as long as a forgotten node might.
type authority struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

const certificateLife = 365 * 24 * time.Hour

// newAuthority makes a fresh certificate authority in a folder.
func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "marketstream-node"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	a := &authority{dir: dir, cert: cert, key: key}
	return a, a.write("ca", der, key)
}

// issue makes a certificate for a client, and for a server when there are addresses or names.
func (a *authority) issue(file, commonName string, organization []string, hosts ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: commonName, Organization: organization},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return err
	}
	return a.write(file, der, key)
}

func (a *authority) write(file string, der []byte, key crypto.Signer) error {
	if err := writePEM(filepath.Join(a.dir, file+".crt"), "CERTIFICATE", der, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(a.dir, file+".key"), key)
}

// writeSigningPair makes the key pair that signs service account tokens.
func writeSigningPair(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, "sa.pub"), "PUBLIC KEY", public, 0o644); err != nil {
		return err
	}
	return writeKey(filepath.Join(dir, "sa.key"), key)
}

func writeKey(path string, key crypto.Signer) error {
	der, err := x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	if err != nil {
		return err
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode os.FileMode) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode)
}

// writePKI makes all certificates and kubeconfigs of a node.
func writePKI(i instance, hostServer string) error {
	dir := i.path("pki")
	a, err := newAuthority(dir)
	if err != nil {
		return err
	}
	users := []struct {
		file, name   string
		organization []string
		hosts        []string
	}{
		{"apiserver", "kube-apiserver", nil, []string{"127.0.0.1", nodeAddress, apiServiceAddress, "localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc." + clusterDomain}},
		{"kubelet-server", "system:node:" + nodeName, []string{"system:nodes"}, []string{nodeAddress, nodeName}},
		{"apiserver-kubelet-client", "kube-apiserver-kubelet-client", []string{"system:masters"}, nil},
		{"admin", "admin", []string{"system:masters"}, nil},
		{"controller-manager", "system:kube-controller-manager", nil, nil},
		{"scheduler", "system:kube-scheduler", nil, nil},
		{"kubelet", "system:node:" + nodeName, []string{"system:nodes"}, nil},
		{"proxy", "system:kube-proxy", nil, nil},
	}
	for _, u := range users {
		if err := a.issue(u.file, u.name, u.organization, u.hosts...); err != nil {
			return fmt.Errorf("the certificate of %s: %w", u.file, err)
		}
	}
	if err := writeSigningPair(dir); err != nil {
		return err
	}
	inside := "https://" + nodeAddress + ":6443"
	for _, user := range []string{"admin", "controller-manager", "scheduler", "kubelet", "proxy"} {
		if err := writeKubeconfig(i.path("conf", user+".kubeconfig"), dir, user, inside, i.name); err != nil {
			return err
		}
	}
	return writeKubeconfig(i.kubeconfig(), dir, "admin", hostServer, i.name)
}

// writeKubeconfig writes the way to the API server for one user. JSON is YAML too.
func writeKubeconfig(path, pki, user, server, name string) error {
	var parts [3][]byte
	for n, file := range []string{"ca.crt", user + ".crt", user + ".key"} {
		data, err := os.ReadFile(filepath.Join(pki, file))
		if err != nil {
			return err
		}
		parts[n] = data
	}
	name = "marketstream-" + name
	config := asJSON(map[string]any{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": name,
		"clusters":        []any{map[string]any{"name": name, "cluster": map[string]any{"server": server, "certificate-authority-data": parts[0]}}},
		"users":           []any{map[string]any{"name": name, "user": map[string]any{"client-certificate-data": parts[1], "client-key-data": parts[2]}}},
		"contexts":        []any{map[string]any{"name": name, "context": map[string]any{"cluster": name, "user": name}}},
	})
	return writeWhole(path, config, 0o600)
}
