package wechat

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5" // WeChat's own choice, of 2013
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
)

// V2 is a message of WeChat Pay's second version: flat XML, a text for each name. Medical insurance 1.0 alone still speaks it.
type V2 map[string]string

// V2SignType is how a message of version 2 is signed.
type V2SignType string

// The ways to sign. Both are over the sorted parameters and end with the APIv2 key.
const (
	V2MD5        V2SignType = "MD5"
	V2HMACSHA256 V2SignType = "HMAC-SHA256"
)

// Signature is what stands in sign: of all parameters that are not empty, in the order of their names, and the key.
func (m V2) Signature(how V2SignType, key string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] != "" && name != "sign" {
			text.WriteString(name + "=" + m[name] + "&")
		}
	}
	text.WriteString("key=" + key)
	var sum hash.Hash
	if how == V2HMACSHA256 {
		sum = hmac.New(sha256.New, []byte(key))
	} else {
		sum = md5.New()
	}
	_, _ = io.WriteString(sum, text.String()) // a hash never fails
	return strings.ToUpper(hex.EncodeToString(sum.Sum(nil)))
}

// Signed tells whether the message bears the right signature.
func (m V2) Signed(how V2SignType, key string) bool {
	return hmac.Equal([]byte(m["sign"]), []byte(m.Signature(how, key)))
}

// XML is the message as it travels. Parameters that are empty are left out.
func (m V2) XML() []byte {
	var b bytes.Buffer
	b.WriteString("<xml>")
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if m[name] == "" {
			continue
		}
		b.WriteString("<" + name + ">")
		_ = xml.EscapeText(&b, []byte(m[name])) // a buffer never fails
		b.WriteString("</" + name + ">")
	}
	b.WriteString("</xml>")
	return b.Bytes()
}

// What a message of version 2 may be at most.
const (
	mostV2Elements = 128
	longestV2      = 64 << 10 // bytes
)

// ErrNotV2 is for bytes that are no message of version 2. It never repeats any of them.
var ErrNotV2 = errors.New("it is not flat XML of WeChat Pay's version 2")

// ParseV2 reads a message from outside: one level of elements, each name once, no document type, no processing instruction but
// the declaration, no comments and attributes, and no entities but XML's own five and characters by number. Nothing is proven by
// that: see Signed.
func ParseV2(text []byte) (V2, error) {
	if len(text) > longestV2 {
		return nil, ErrNotV2
	}
	d := xml.NewDecoder(bytes.NewReader(text))
	token, err := element(d)
	if root, ok := token.(xml.StartElement); err != nil || !ok || !plainV2(root) || root.Name.Local != "xml" {
		return nil, ErrNotV2
	}
	m := V2{}
	for {
		if token, err = element(d); err != nil {
			return nil, ErrNotV2
		}
		start, more := token.(xml.StartElement)
		if !more { // the root's end: the decoder sees to it that it is that
			break
		}
		value, err := valueV2(d)
		if _, twice := m[start.Name.Local]; err != nil || twice || !plainV2(start) || len(m) == mostV2Elements {
			return nil, ErrNotV2
		}
		m[start.Name.Local] = value
	}
	if _, err := element(d); !errors.Is(err, io.EOF) {
		return nil, ErrNotV2
	}
	return m, nil
}

func plainV2(e xml.StartElement) bool { return len(e.Attr) == 0 && e.Name.Space == "" }

// element is the next beginning or end of an element. White space and the declaration are passed over.
func element(d *xml.Decoder) (xml.Token, error) {
	for {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement, xml.EndElement:
			return t, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return nil, ErrNotV2
			}
		case xml.ProcInst:
			if t.Target != "xml" {
				return nil, ErrNotV2
			}
		default: // a document type, a comment
			return nil, ErrNotV2
		}
	}
}

// valueV2 is the text of the element that has begun, to its end.
func valueV2(d *xml.Decoder) (string, error) {
	var value strings.Builder
	for {
		token, err := d.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.CharData:
			value.Write(t)
		case xml.EndElement:
			return value.String(), nil
		default:
			return "", ErrNotV2
		}
	}
}
