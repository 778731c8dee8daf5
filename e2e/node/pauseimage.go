package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
)

// pauseImage is the name of the image that every pod's sandbox runs.
const pauseImage = "localhost/marketstream/pause:1"

// pauseArchive is the file name of that image among the programs.
const pauseArchive = "pause.tar"

// packPauseImage writes an OCI archive whose only layer holds the static program.
func packPauseImage(program, archive string) error {
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	layer := tarOf(file{"pause", content, 0o755})
	config := asJSON(map[string]any{
		"architecture": runtime.GOARCH,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/pause"}, "User": "65535:65535"},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	manifest := asJSON(map[string]any{
		"schemaVersion": 2,
		"mediaType":     "application/vnd.oci.image.manifest.v1+json",
		"config":        descriptor("application/vnd.oci.image.config.v1+json", config),
		"layers":        []any{descriptor("application/vnd.oci.image.layer.v1.tar", layer)},
	})
	entry := descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
	entry["annotations"] = map[string]string{"io.containerd.image.name": pauseImage, "org.opencontainers.image.ref.name": pauseImage}
	index := asJSON(map[string]any{"schemaVersion": 2, "manifests": []any{entry}})

	image := tarOf(
		file{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`), 0o644},
		file{"index.json", index, 0o644},
		file{blobPath(manifest), manifest, 0o644},
		file{blobPath(config), config, 0o644},
		file{blobPath(layer), layer, 0o644},
	)
	return writeWhole(archive, image, 0o644)
}

type file struct {
	name    string
	content []byte
	mode    int64
}

// tarOf packs files; writing to memory cannot fail.
func tarOf(files ...file) []byte {
	var buffer bytes.Buffer
	w := tar.NewWriter(&buffer)
	for _, f := range files {
		w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.content)), Format: tar.FormatUSTAR})
		w.Write(f.content)
	}
	w.Close()
	return buffer.Bytes()
}

func sum(content []byte) string {
	s := sha256.Sum256(content)
	return hex.EncodeToString(s[:])
}

func digest(content []byte) string   { return "sha256:" + sum(content) }
func blobPath(content []byte) string { return "blobs/sha256/" + sum(content) }

func descriptor(mediaType string, content []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest(content), "size": len(content)}
}

// asJSON is for values that can always be encoded.
func asJSON(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

// writeWhole writes a file so that no reader ever sees a part of it.
func writeWhole(path string, content []byte, mode os.FileMode) error {
	partial := path + ".partial"
	if err := os.WriteFile(partial, content, mode); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
