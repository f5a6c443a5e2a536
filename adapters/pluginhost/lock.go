package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// LockName is the file that pins a folder's plugins.
const LockName = "plugins.lock"

// Lock is the content of plugins.lock, written by the build: which plugins there are, and which bytes they are.
type Lock struct {
	Plugins []Pin `json:"plugins"`
}

// Pin is one plugin as it was built.
type Pin struct {
	Name    string `json:"name"`    // the provider's name, as Describe says it
	Version string `json:"version"` // semantic version, as Describe says it
	SHA256  string `json:"sha256"`  // of the binary, 64 lower-case hex digits; empty: not pinned
	Path    string `json:"path"`    // of the binary; relative to the lock's folder
}

var (
	hexDigest   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	semver      = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	pluginName  = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	errNoPlugin = errors.New("no plugin of that name in plugins.lock")
)

// ReadLock reads a plugins.lock and makes its paths absolute.
func ReadLock(path string) (Lock, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Lock{}, fmt.Errorf("plugins.lock: %w; `paybridge plugin lock DIR` writes one", err)
	}
	lock, err := parseLock(text)
	if err != nil {
		return Lock{}, fmt.Errorf("%s: %w", path, err)
	}
	for i, p := range lock.Plugins {
		if !filepath.IsAbs(p.Path) {
			lock.Plugins[i].Path = filepath.Join(filepath.Dir(path), p.Path)
		}
	}
	return lock, nil
}

func parseLock(text []byte) (Lock, error) {
	var lock Lock
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&lock); err != nil {
		return Lock{}, err
	}
	seen := map[string]bool{}
	for _, p := range lock.Plugins {
		switch {
		case !pluginName.MatchString(p.Name):
			return Lock{}, fmt.Errorf("plugin %q: a name has a-z, 0-9 and -, at most 40", p.Name)
		case seen[p.Name]:
			return Lock{}, fmt.Errorf("plugin %s is there twice", p.Name)
		case !semver.MatchString(p.Version):
			return Lock{}, fmt.Errorf("plugin %s: version %q is not a semantic version", p.Name, p.Version)
		case p.SHA256 != "" && !hexDigest.MatchString(p.SHA256):
			return Lock{}, fmt.Errorf("plugin %s: sha256 must be 64 lower-case hex digits", p.Name)
		case p.Path == "":
			return Lock{}, fmt.Errorf("plugin %s: no path", p.Name)
		}
		seen[p.Name] = true
	}
	return lock, nil
}

// Names are the plugins that there are.
func (l Lock) Names() []string {
	names := make([]string, len(l.Plugins))
	for i, p := range l.Plugins {
		names[i] = p.Name
	}
	return names
}

// pin is the plugin of that name.
func (l Lock) pin(name string) (Pin, error) {
	for _, p := range l.Plugins {
		if p.Name == name {
			return p, nil
		}
	}
	return Pin{}, fmt.Errorf("%s: %w", name, errNoPlugin)
}

// WriteLock starts each executable of a folder once, asks it who it is, and writes the folder's plugins.lock. It
// trusts what it finds: it belongs to the build, right after the plugins were made.
func WriteLock(ctx context.Context, dir string) (Lock, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Lock{}, err
	}
	var lock Lock
	entries, err := os.ReadDir(dir)
	if err != nil {
		return Lock{}, fmt.Errorf("plugins.lock: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			continue
		}
		p, err := identify(ctx, filepath.Join(dir, e.Name()))
		if err != nil {
			return Lock{}, fmt.Errorf("plugins.lock: %s: %w", e.Name(), err)
		}
		lock.Plugins = append(lock.Plugins, p)
	}
	if len(lock.Plugins) == 0 {
		return Lock{}, fmt.Errorf("plugins.lock: no executable in %s: build the plugins there first", dir)
	}
	slices.SortFunc(lock.Plugins, func(a, b Pin) int { return strings.Compare(a.Name, b.Name) })
	text, err := json.MarshalIndent(lock, "", "  ")
	if err != nil {
		return Lock{}, err
	}
	if _, err := parseLock(text); err != nil { // what we write, we must be able to read
		return Lock{}, err
	}
	return lock, writeWhole(filepath.Join(dir, LockName), append(text, '\n'))
}

// writeWhole replaces a file by rename, so that a reader sees the old one or the new one.
func writeWhole(path string, text []byte) error {
	next := path + ".next"
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// identify starts a binary that nobody pinned yet and asks for its description.
func identify(ctx context.Context, path string) (Pin, error) {
	digest, err := fileDigest(path)
	if err != nil {
		return Pin{}, err
	}
	dir, err := os.MkdirTemp("/tmp", "pb") // macOS's own temporary folder is too long a path for a socket
	if err != nil {
		return Pin{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := makeFolders(dir); err != nil {
		return Pin{}, err
	}
	o := Options{Dir: dir}.withDefaults()
	r, err := launch(ctx, o, Pin{Name: filepath.Base(path), SHA256: digest, Path: path})
	if err != nil {
		return Pin{}, err
	}
	defer r.kill(ctx.Done())
	return Pin{Name: r.about.GetName(), Version: r.about.GetVersion(), SHA256: digest, Path: filepath.Base(path)}, nil
}
