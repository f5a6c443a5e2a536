package e2e

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/internal/nodetest"
)

// TestDevInChromium is what a newcomer sees: `paybridge dev` as the build leaves it, its first page, the simulated phone and the
// example clinic, in a browser. SCREENSHOTS=DIR keeps pictures.
func TestDevInChromium(t *testing.T) {
	wholeAlone(t) // a page is given seconds, not minutes: it has the processors for itself
	browser := nodetest.Chromium(t)
	bin := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "../../scripts/build.sh", bin).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	gateway := "http://" + freeAddress(t)
	dev := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(bin, "paybridge"), "dev", "--data", filepath.Join(t.TempDir(), "dev"),
		"--listen.public", strings.TrimPrefix(gateway, "http://"), "--listen.admin", freeAddress(t),
		"--wechat-listen", "127.0.0.1:0", "--control-listen", "127.0.0.1:0", "--clinic", freeAddress(t))
	said := &output{}
	dev.Stderr = said
	stdout, err := dev.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := dev.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dev.Process.Signal(os.Interrupt)
		if err := dev.Wait(); err != nil {
			t.Errorf("Ctrl-C ends dev with %v", err)
		}
		if t.Failed() {
			t.Logf("dev said:\n%s", said)
		}
	})
	lines := bufio.NewScanner(stdout)
	for ready := false; !ready; {
		if !lines.Scan() {
			t.Fatal("dev ended before it was ready")
		}
		ready = strings.Contains(lines.Text(), "Ctrl-C")
	}
	go func() { _, _ = io.Copy(io.Discard, stdout) }()
	nodetest.Run(t, []string{"GATEWAY=" + gateway, "CHROMIUM=" + browser}, "dev.test.js")
}
