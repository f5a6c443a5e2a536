package e2e

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
)

// programs is the folder with what TestMain has built: paybridge, crash/paybridge (with crash points) and plugins/.
var programs string

// TestMain builds what the tests run, once. Much of a test here is waiting for a due time, so more run side by side than there are processors;
// with many more each waits for the processes of the others, and no time limit means anything.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(6*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(func() int {
		if testing.Short() {
			return m.Run() // every test skips
		}
		var err error
		if programs, err = os.MkdirTemp("", "paybridge-e2e"); err != nil {
			panic(err)
		}
		defer func() { _ = os.RemoveAll(programs) }()
		if err := build(programs); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func build(dir string) error {
	plugins, both, insured := filepath.Join(dir, "plugins"), filepath.Join(dir, "both"), filepath.Join(dir, "insured")
	for _, command := range [][]string{
		{"go", "build", "-o", filepath.Join(dir, "paybridge"), "./cmd/paybridge"},
		{"go", "build", "-tags", "crashpoints", "-o", filepath.Join(dir, "crash", "paybridge"), "./cmd/paybridge"},
		{"go", "build", "-o", filepath.Join(plugins, provider), "./plugins/" + provider},
		{filepath.Join(dir, "paybridge"), "plugin", "lock", plugins},
		{"go", "build", "-o", filepath.Join(both, provider), "./plugins/" + provider},
		{"go", "build", "-o", filepath.Join(both, otherProvider), "./plugins/" + otherProvider},
		{filepath.Join(dir, "paybridge"), "plugin", "lock", both},
		{"go", "build", "-o", filepath.Join(insured, provider), "./plugins/" + provider},
		{"go", "build", "-o", filepath.Join(insured, insurance), "./plugins/" + insurance},
		{filepath.Join(dir, "paybridge"), "plugin", "lock", insured},
	} {
		cmd := exec.Command(command[0], command[1:]...)
		cmd.Dir = filepath.Join("..", "..")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%v: %w\n%s", command, err, out)
		}
	}
	return nil
}
