package main

import (
	"errors"
	"os"
	"path/filepath"
)

// cacheRoot is the folder for everything that is kept: nothing is ever written into the work tree.
// State lives here too and not in the session's runtime folder, which is small, in memory, and removed at log-out.
func cacheRoot() (string, error) {
	if dir := os.Getenv("MARKETSTREAM_CACHE"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		return filepath.Join(abs, "node"), nil
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", errors.New("neither MARKETSTREAM_CACHE nor HOME is set: no place to build into")
	}
	return filepath.Join(dir, "marketstream", "node"), nil
}

// sourceRoot is the folder with this program's source and the modules that pin the versions of what it builds.
func sourceRoot() (string, error) {
	if dir := os.Getenv("MARKETSTREAM_NODE_SOURCE"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		for _, candidate := range []string{dir, filepath.Join(dir, "e2e", "node")} {
			if _, err := os.Stat(filepath.Join(candidate, "kubernetes", "go.mod")); err == nil {
				return candidate, nil
			}
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("cannot find e2e/node: call this through e2e/node/node.sh, or from inside the checkout")
		}
	}
}
