package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// privateCopy copies a plugin's binary into a folder that only we can write, checks the copy's digest, and gives its
// path. What was hashed is what is executed, whatever happens to the original meanwhile.
func privateCopy(pin Pin, dir string, production bool) (string, error) {
	if production {
		if pin.SHA256 == "" {
			return "", fmt.Errorf("plugin %s is not pinned: production starts only what plugins.lock has a sha256 of", pin.Name)
		}
		if err := onlyTheOwnerWrites(filepath.Dir(pin.Path), pin.Path); err != nil {
			return "", fmt.Errorf("plugin %s: %w", pin.Name, err)
		}
	}
	path := filepath.Join(dir, pin.Name)
	if err := copyForExec(pin.Path, path); err != nil {
		return "", fmt.Errorf("plugin %s: copy the binary: %w", pin.Name, err)
	}
	digest, err := fileDigest(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("plugin %s: %w", pin.Name, err)
	case pin.SHA256 != "" && digest != pin.SHA256:
		_ = os.Remove(path) // it is not started, whether it goes or not
		return "", fmt.Errorf("plugin %s: sha256 of %s is %s, plugins.lock has %s: not started; if you built it anew, run `paybridge plugin lock`",
			pin.Name, pin.Path, digest, pin.SHA256)
	}
	return path, nil
}

func onlyTheOwnerWrites(paths ...string) error {
	for _, path := range paths {
		if why := writable(path); why != "" {
			return fmt.Errorf("%s is %s: make it writable by its owner alone, and the owner not this user", path, why)
		}
	}
	return nil
}

// writable says in which way others, or we, could change a file. Root may always; for it only the mode counts.
func writable(path string) string {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "not readable: " + err.Error()
	case info.Mode().Perm()&0o022 != 0:
		return "writable by group or others"
	case os.Geteuid() != 0 && unix.Access(path, unix.W_OK) == nil:
		return "writable by this user"
	}
	return ""
}

// copyForExec copies a file to be executed at once. No other goroutine may fork while the copy is open for writing:
// the child would hold it open too, and starting it would fail with "text file busy".
func copyForExec(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }()
	_ = os.Remove(to) // a running plugin keeps the old inode; what is not there need not go

	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	target, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o500)
	if err != nil {
		return err
	}
	if _, err := io.Copy(target, source); err != nil {
		return errors.Join(err, target.Close())
	}
	return target.Close()
}

// fileDigest is the sha256 of a file, as plugins.lock writes it.
func fileDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
