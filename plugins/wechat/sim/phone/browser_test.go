package phone_test

import (
	"os"
	"testing"

	"github.com/paybridge/paybridge/internal/nodetest"
)

// TestThePhoneInChromium runs a small H5 site and the real client kits in the phone, in a browser. SCREENSHOTS=DIR keeps a
// picture of each case.
func TestThePhoneInChromium(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a browser's tests are not short")
	}
	browser := nodetest.Chromium(t)
	p := play(t, os.DirFS("../../../../adapters/checkout/kits/miniprogram"))
	nodetest.Run(t, []string{"PHONE_URL=" + p.phoneURL, "CONTROL_URL=" + p.shopURL, "CHROMIUM=" + browser}, "test/browser.test.js")
}
