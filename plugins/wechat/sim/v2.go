package sim

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" // WeChat's own choice, of 2013
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
)

// v2 is a message of WeChat Pay's second version: a text for each name, as flat XML. Medical insurance 1.0 speaks it.
type v2 map[string]string

// APIv2Key is a merchant's key of version 2, what its operator reads off the merchant platform. It follows from the merchant number, so
// that a configuration can be written before the simulator has run.
func APIv2Key(mchID string) string {
	sum := sha256.Sum256([]byte("the simulated APIv2 key of " + mchID))
	return hex.EncodeToString(sum[:16])
}

const (
	signMD5  = "MD5"
	signHMAC = "HMAC-SHA256"
)

// signature is over the parameters that are not empty, sorted by name, and the key.
func (m v2) signature(how, key string) string {
	var text []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != "sign" && m[name] != "" {
			text = append(text, name+"="+m[name])
		}
	}
	sum := md5.New()
	if how == signHMAC {
		sum = hmac.New(sha256.New, []byte(key))
	}
	_, _ = io.WriteString(sum, strings.Join(append(text, "key="+key), "&")) // a hash never fails
	return strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
}

// xml is the message as WeChat writes it: texts in CDATA.
func (m v2) xml() []byte {
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		b.WriteString("<" + name + "><![CDATA[" + strings.ReplaceAll(m[name], "]]>", "]]]]><![CDATA[>") + "]]></" + name + ">\n")
	}
	return append(bytes.TrimRight(b.Bytes(), "\n"), "</xml>"...)
}

var errNotV2 = errors.New("not flat XML")

// readV2 reads a merchant's message. WeChat takes no document types and no elements in elements.
func readV2(text []byte) (v2, error) {
	d := xml.NewDecoder(bytes.NewReader(text))
	m, depth, name := v2{}, 0, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && depth == 0 && len(m) > 0 {
			return m, nil
		}
		if err != nil {
			return nil, errNotV2
		}
		switch t := token.(type) {
		case xml.StartElement:
			if depth++; depth > 2 || depth == 1 && t.Name.Local != "xml" {
				return nil, errNotV2
			}
			name = t.Name.Local
		case xml.EndElement:
			depth--
		case xml.CharData:
			if depth == 2 {
				m[name] += string(t)
			}
		case xml.Directive:
			return nil, errNotV2
		}
	}
}
