package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// api is a very small client of the API server, from inside the node.
type api struct {
	client *http.Client
}

// apiError is the server's refusal.
type apiError struct {
	status int
	text   string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.text) }

// isStatus tells whether an error is the server's refusal with this HTTP status.
func isStatus(err error, status int) bool {
	var e *apiError
	return errors.As(err, &e) && e.status == status
}

func newAPI(i instance) (*api, error) {
	cert, err := tls.LoadX509KeyPair(i.path("pki", "admin.crt"), i.path("pki", "admin.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(i.path("pki", "ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots},
		ForceAttemptHTTP2: true,
	}
	return &api{client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

func (a *api) get(path string, into any) error  { return a.do(http.MethodGet, path, nil, into) }
func (a *api) post(path string, body any) error { return a.do(http.MethodPost, path, body, nil) }
func (a *api) delete(path string) error         { return a.do(http.MethodDelete, path, nil, nil) }

func (a *api) do(method, path string, body, into any) error {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(asJSON(body))
	}
	request, err := http.NewRequest(method, "https://127.0.0.1:6443"+path, reader)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := a.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= 300 {
		var status struct{ Message string }
		if json.Unmarshal(data, &status); status.Message == "" {
			status.Message = string(data)
		}
		return &apiError{response.StatusCode, method + " " + path + ": " + status.Message}
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(data, into)
}

// nodeReady is nil when the node may run pods.
func (a *api) nodeReady() error {
	var node struct {
		Spec   struct{ Taints []struct{ Key string } }
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := a.get("/api/v1/nodes/"+nodeName, &node); err != nil {
		return err
	}
	if len(node.Spec.Taints) > 0 {
		return fmt.Errorf("the node is tainted: %s", node.Spec.Taints[0].Key)
	}
	for _, c := range node.Status.Conditions {
		if c.Type == "Ready" {
			if c.Status == "True" {
				return nil
			}
			return errors.New(c.Message)
		}
	}
	return errors.New("the node has not reported yet")
}
