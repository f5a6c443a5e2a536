package wechat

import (
	"maps"
	"strings"
	"testing"
)

// The example of WeChat Pay's own document of version 2, whose key and results are published.
func TestV2Signatures(t *testing.T) {
	m := V2{"appid": "wxd930ea5d5a258f4f", "mch_id": "10000100", "device_info": "1000", "body": "test", "nonce_str": "ibuaiVcKdpRxkhJA", "empty": ""}
	const key = "192006250b4c09247ec02edce69f6a2d"
	for how, want := range map[V2SignType]string{
		V2MD5:        "9A0A8659F005D6984697E2CA0A9CF3B7",
		V2HMACSHA256: "6A9AE1657590FD6257D693A078E1C3E4BB6BA4DC30B23E0EE2496E54170DACD6",
	} {
		if got := m.Signature(how, key); got != want {
			t.Errorf("%s: %s, want %s", how, got, want)
		}
		m["sign"] = want
		if !m.Signed(how, key) || m.Signed(how, key+"0") || (V2{"sign": want}).Signed(how, key) {
			t.Errorf("%s: Signed does not tell right from wrong", how)
		}
		delete(m, "sign")
	}
}

func TestParseV2(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       V2 // nil: refused
	}{
		{"WeChat's own form", "<xml><return_code><![CDATA[FAIL]]></return_code>\n<return_msg><![CDATA[签名错误]]></return_msg></xml>",
			V2{"return_code": "FAIL", "return_msg": "签名错误"}},
		{"a declaration, white space, escapes", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<xml>\n <a>1 &lt; 2 &amp; &#20013;</a> <b/>\n</xml>\n", V2{"a": "1 < 2 & 中", "b": ""}},
		{"nothing in it", "<xml></xml>", V2{}},
		{"text and CDATA in turn", "<xml><a>x<![CDATA[<y>]]>z</a></xml>", V2{"a": "x<y>z"}},
		{"an element twice", "<xml><a>1</a><a>2</a></xml>", nil},
		{"an element in an element", "<xml><a><b>1</b></a></xml>", nil},
		{"a document type", `<!DOCTYPE xml [<!ENTITY e "x">]><xml><a>&e;</a></xml>`, nil},
		{"an entity", "<xml><a>&e;</a></xml>", nil},
		{"an external entity", `<!DOCTYPE xml SYSTEM "file:///etc/passwd"><xml><a>1</a></xml>`, nil},
		{"an instruction", "<xml><?php x ?><a>1</a></xml>", nil},
		{"a comment", "<xml><a>1<!-- 2 --></a></xml>", nil},
		{"an attribute", `<xml><a b="1">1</a></xml>`, nil},
		{"a namespace", `<x:xml xmlns:x="y"><a>1</a></x:xml>`, nil},
		{"text between elements", "<xml>1<a>1</a></xml>", nil},
		{"another root", "<html><a>1</a></html>", nil},
		{"two roots", "<xml></xml><xml></xml>", nil},
		{"something behind", "<xml></xml>x", nil},
		{"cut off", "<xml><a>1</a>", nil},
		{"another charset", `<?xml version="1.0" encoding="GBK"?><xml></xml>`, nil},
		{"JSON", `{"a":1}`, nil},
		{"nothing", "", nil},
		{"too long", "<xml><a>" + strings.Repeat("1", longestV2) + "</a></xml>", nil},
	} {
		got, err := ParseV2([]byte(c.text))
		if (err == nil) != (c.want != nil) || err == nil && !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", c.name, got, err, c.want)
		}
	}
}

// What is read is what was written, whatever stands in it; and nothing from outside makes the reader panic.
func FuzzParseV2(f *testing.F) {
	f.Add([]byte("<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"))
	f.Add([]byte("<?xml version=\"1.0\"?><xml><a>&lt;&#20013;</a></xml>"))
	f.Add([]byte("<xml><a><b></b></a></xml>"))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := ParseV2(text)
		if err != nil {
			return
		}
		again, err := ParseV2(m.XML())
		for name, value := range m {
			if err == nil && again[name] != value {
				t.Errorf("%s: %q came back as %q", name, value, again[name])
			}
		}
	})
}
