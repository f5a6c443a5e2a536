package sim_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// fixture is a body that WeChat really sent, without a newline at its end.
func fixture(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "wire", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// forms are the keys whose values differ from case to case but not in their form.
var forms = map[string]*regexp.Regexp{
	"prepay_id":              regexp.MustCompile(`^wx[0-9a-f]{34}$`),
	"transaction_id":         regexp.MustCompile(`^42[0-9]{26}$`),
	"refund_id":              regexp.MustCompile(`^50[0-9]{27}$`),
	"success_time":           regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$`),
	"create_time":            regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$`),
	"effective_time":         regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$`),
	"expire_time":            regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$`),
	"id":                     regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	"nonce":                  regexp.MustCompile(`^[0-9A-Za-z]{12}$`),
	"ciphertext":             regexp.MustCompile(`^[0-9A-Za-z+/]+=*$`),
	"echo_message":           regexp.MustCompile(``),
	"encrypted_echo_message": regexp.MustCompile(`^[0-9A-Za-z+/]+=*$`),
	"serial_no":              regexp.MustCompile(`^[0-9A-F]{40}$`),
	"mchid":                  regexp.MustCompile(`^[0-9]{10}$`),
	"appid":                  regexp.MustCompile(`^wx`),
	"openid":                 regexp.MustCompile(`^o.{27}$`),
	"download_url":           regexp.MustCompile(`^https?://[^/]+/v3/billdownload/file\?token=[0-9A-Za-z_-]{64}(&tartype=gzip)?$`),
	"hash_value":             regexp.MustCompile(`^[0-9a-f]{40}$`),
	"sp_mchid":               regexp.MustCompile(`^[0-9]{10}$`),
	"sub_mchid":              regexp.MustCompile(`^[0-9]{10}$`),
	"sp_appid":               regexp.MustCompile(`^wx`),
	"sub_appid":              regexp.MustCompile(`^wx`),
	"sp_openid":              regexp.MustCompile(`^o.{27}$`),
	"sub_openid":             regexp.MustCompile(`^o.{27}$`),
	"out_trade_no":           regexp.MustCompile(`^[0-9A-Za-z_\-|*]{6,32}$`),
	"out_refund_no":          regexp.MustCompile(`^[0-9A-Za-z_\-|*@]{1,64}$`),
	"mix_trade_no":           regexp.MustCompile(`^[0-9]{30}$`),
	"pay_order_id":           regexp.MustCompile(`^ORD[0-9]+$`),
	"pay_auth_no":            regexp.MustCompile(`^AUTH[0-9]+$`),
	"paid_time":              regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+08:00$`),
	"attach":                 regexp.MustCompile(``),
}

// shape is a body with what may differ taken out: keys in their order, constants as they are, amounts as
// "number", and what has a form as the name of that form, or as itself when it breaks it.
func shape(t testing.TB, body string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	var out strings.Builder
	writeShape(t, d, "", &out)
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		t.Fatalf("more than one JSON value in %s", body)
	}
	return out.String()
}

func writeShape(t testing.TB, d *json.Decoder, key string, out *strings.Builder) {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch v := token.(type) {
	case json.Delim:
		fmt.Fprintf(out, "%s", v)
		for d.More() {
			name := ""
			if v == '{' {
				k, err := d.Token()
				if err != nil {
					t.Fatal(err)
				}
				name = k.(string)
				fmt.Fprintf(out, "%q:", name)
			}
			writeShape(t, d, name, out)
			out.WriteString(",")
		}
		end, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%s", end)
	case string:
		if form := forms[key]; form != nil && form.MatchString(v) {
			fmt.Fprintf(out, "<%s>", key)
			return
		}
		fmt.Fprintf(out, "%q", v)
	case json.Number:
		out.WriteString("number")
	default:
		fmt.Fprintf(out, "%v", v)
	}
}

// sameShape compares a body with a fixture, and its spelling: compact, nothing escaped that need not be.
func sameShape(t testing.TB, name, got string) {
	t.Helper()
	if g, w := shape(t, got), shape(t, fixture(t, name)); g != w {
		t.Errorf("%s:\n got %s\nwant %s", name, g, w)
	}
	if strings.Contains(got, `\u`) {
		t.Errorf("%s: escaped characters in %s", name, got)
	}
	var spaceless bytes.Buffer
	if err := json.Compact(&spaceless, []byte(got)); err != nil || spaceless.String() != got {
		t.Errorf("%s: not compact: %s", name, got)
	}
}

// sameBytes compares a body with a fixture byte for byte.
func sameBytes(t testing.TB, name, got string) {
	t.Helper()
	if want := fixture(t, name); got != want {
		t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// TestShapeTellsOrder makes sure that the comparison itself sees what it is for.
func TestShapeTellsOrder(t *testing.T) {
	t.Parallel()
	for _, other := range []string{`{"b":1,"a":"x"}`, `{"a":"x","b":1,"c":1}`, `{"a":"y","b":1}`, `{"a":"x","b":"1"}`} {
		if shape(t, `{"a":"x","b":1}`) == shape(t, other) {
			t.Errorf("%s has the same shape", other)
		}
	}
	if shape(t, `{"mchid":"1900000001"}`) != shape(t, `{"mchid":"1900007291"}`) {
		t.Error("two merchants make two shapes")
	}
}
