package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const (
	storageClass  = "local"
	spareVolumes  = 24 // how many volumes wait for a claim
	volumeSize    = "10Gi"
	volumesPeriod = 2 * time.Second
)

// volumePool keeps volumes ready for claims. Kubernetes itself makes no local volumes and does not use one again
// whose claim is gone, so new ones are made and the used ones removed together with their folders.
type volumePool struct {
	api  *api
	dir  string
	next int
}

const volumesPath = "/api/v1/persistentvolumes"

// begin makes the storage class and the first volumes.
func (p *volumePool) begin() error {
	err := p.api.post("/apis/storage.k8s.io/v1/storageclasses", object{
		"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
		"metadata": object{
			"name":        storageClass,
			"annotations": object{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		"provisioner":       "kubernetes.io/no-provisioner",
		"volumeBindingMode": "WaitForFirstConsumer",
		"reclaimPolicy":     "Retain",
	})
	if err != nil && !isStatus(err, http.StatusConflict) {
		return err
	}
	return p.tend()
}

// keep tends the pool for ever.
func (p *volumePool) keep() {
	for ; ; time.Sleep(volumesPeriod) {
		if err := p.tend(); err != nil {
			fmt.Fprintln(os.Stderr, "volumes:", err)
		}
	}
}

// tend removes used volumes and makes up for those that were claimed.
func (p *volumePool) tend() error {
	var list struct {
		Items []struct {
			Metadata struct {
				Name              string
				DeletionTimestamp string
			}
			Spec struct {
				StorageClassName string
				Local            struct{ Path string }
			}
			Status struct{ Phase string }
		}
	}
	if err := p.api.get(volumesPath, &list); err != nil {
		return err
	}
	spare := 0
	var problems error
	known := map[string]bool{}
	for _, v := range list.Items {
		if v.Spec.StorageClassName != storageClass {
			continue
		}
		known[filepath.Base(v.Spec.Local.Path)] = true
		switch {
		case v.Metadata.DeletionTimestamp != "":
		case v.Status.Phase == "Released" || v.Status.Phase == "Failed":
			problems = errors.Join(problems, p.api.delete(volumesPath+"/"+v.Metadata.Name))
		case v.Status.Phase == "Available" || v.Status.Phase == "Pending" || v.Status.Phase == "":
			spare++
		}
	}
	// A folder goes when its volume is no more: until then something might still use it.
	folders, err := os.ReadDir(p.dir)
	problems = errors.Join(problems, err)
	for _, folder := range folders {
		if !known[folder.Name()] {
			problems = errors.Join(problems, os.RemoveAll(filepath.Join(p.dir, folder.Name())))
		}
	}
	for ; spare < spareVolumes; spare++ {
		if err := p.make(); err != nil {
			return errors.Join(problems, err)
		}
	}
	return problems
}

// make makes one volume.
func (p *volumePool) make() error {
	p.next++
	name := fmt.Sprintf("local-%04d", p.next)
	folder := filepath.Join(p.dir, name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	here := object{"key": "kubernetes.io/hostname", "operator": "In", "values": []string{nodeName}}
	err := p.api.post(volumesPath, object{
		"apiVersion": "v1", "kind": "PersistentVolume",
		"metadata": object{"name": name},
		"spec": object{
			"capacity":                      object{"storage": volumeSize},
			"accessModes":                   []string{"ReadWriteOnce"},
			"persistentVolumeReclaimPolicy": "Retain",
			"storageClassName":              storageClass,
			"local":                         object{"path": folder},
			"nodeAffinity":                  object{"required": object{"nodeSelectorTerms": []any{object{"matchExpressions": []any{here}}}}},
		},
	})
	if isStatus(err, http.StatusConflict) {
		return nil
	}
	return err
}
