package sim

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func vector(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "vectors", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func privateKey(t *testing.T, text string) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*rsa.PrivateKey)
}

// TestPublishedSignatures: what WeChat publishes verifies here as a request, as a pay signature and as an answer.
func TestPublishedSignatures(t *testing.T) {
	t.Parallel()
	var v struct {
		Key      string                              `json:"merchant_test_key_pem"`
		PayJSAPI struct{ Message, Signature string } `json:"client_pay_jsapi"`
		Request  struct{ Method, Path, Timestamp, Nonce, Body, Signature string }
		Answer   struct {
			PublicKey                         string `json:"public_key_pem"`
			Timestamp, Nonce, Body, Signature string
		}
	}
	vector(t, "wechat-published.json", &v)
	merchant := &privateKey(t, v.Key).PublicKey
	block, _ := pem.Decode([]byte(v.Answer.PublicKey))
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]struct {
		key                *rsa.PublicKey
		message, signature string
	}{
		"pay signature": {merchant, v.PayJSAPI.Message, v.PayJSAPI.Signature},
		"request": {merchant, strings.Join([]string{v.Request.Method, v.Request.Path, v.Request.Timestamp, v.Request.Nonce, v.Request.Body, ""}, "\n"),
			v.Request.Signature},
		"answer": {parsed.(*rsa.PublicKey), v.Answer.Timestamp + "\n" + v.Answer.Nonce + "\n" + v.Answer.Body + "\n", v.Answer.Signature},
	} {
		if !verified(r.key, r.message, r.signature) {
			t.Errorf("%s: the published signature does not verify", name)
		}
		if verified(r.key, strings.TrimSuffix(r.message, "\n"), r.signature) {
			t.Errorf("%s: it verifies without the last newline", name)
		}
		if verified(r.key, r.message, flip(r.signature)) || verified(r.key, r.message, "not base64") {
			t.Errorf("%s: a false signature verifies", name)
		}
	}
	sig := signMessage(privateKey(t, v.Key), time.Unix(1722850421, 0), v.Answer.Nonce, []byte(v.Answer.Body))
	if !verified(merchant, v.Answer.Timestamp+"\n"+v.Answer.Nonce+"\n"+v.Answer.Body+"\n", sig.signature) {
		t.Error("what we sign as an answer is not over the three lines")
	}
}

// TestPublishedRSA and the AEAD vector hold the primitives to openssl's and the SDK's results.
func TestPublishedRSA(t *testing.T) {
	t.Parallel()
	var v struct {
		Key       string `json:"private_key_pem"`
		Message   string
		Signature string
	}
	vector(t, "sign-sha256-rsa.json", &v)
	if !verified(&privateKey(t, v.Key).PublicKey, v.Message, v.Signature) {
		t.Error("the vector does not verify")
	}
	var a struct {
		Key        string `json:"api_v3_key"`
		Associated string `json:"associated_data"`
		Nonce      string
		Ciphertext string
		Plaintext  string
	}
	vector(t, "aes-gcm.json", &a)
	if got := seal(a.Key, a.Nonce, a.Associated, []byte(a.Plaintext)); got != a.Ciphertext {
		t.Errorf("sealed as %s, want %s", got, a.Ciphertext)
	}
}

// TestAuthorizationFields: any order, each once, nothing else.
func TestAuthorizationFields(t *testing.T) {
	t.Parallel()
	want := authorization{"1900000001", "n", "1", "S", "c2ln=="}
	for _, r := range []struct {
		fields string
		parsed bool
	}{
		{`mchid="1900000001",nonce_str="n",timestamp="1",serial_no="S",signature="c2ln=="`, true},
		{`signature="c2ln==",serial_no="S",timestamp="1",nonce_str="n",mchid="1900000001"`, true},
		{`mchid="1900000001", nonce_str="n", timestamp="1", serial_no="S", signature="c2ln=="`, true},
		{``, false},
		{`mchid="1900000001"`, false},
		{`mchid=1900000001,nonce_str="n",timestamp="1",serial_no="S",signature="c2ln=="`, false},
		{`mchid="1",mchid="1900000001",nonce_str="n",timestamp="1",serial_no="S",signature="c2ln=="`, false},
		{`mchid="1900000001",nonce_str="n",timestamp="1",serial_no="S",signature="c2ln==",extra="1"`, false},
		{`mchid="",nonce_str="n",timestamp="1",serial_no="S",signature="c2ln=="`, false},
	} {
		got, parsed := parseAuthorization(r.fields)
		if parsed != r.parsed || parsed && got != want {
			t.Errorf("%s: %+v, %v", r.fields, got, parsed)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add(`mchid="1900000001",nonce_str="n",timestamp="1",serial_no="S",signature="c2ln=="`)
	f.Add(`,,,="`)
	f.Fuzz(func(t *testing.T, fields string) {
		a, parsed := parseAuthorization(fields)
		if !parsed {
			return
		}
		for _, v := range []string{a.mchID, a.nonce, a.timestamp, a.serial, a.signature} {
			if v == "" || strings.ContainsAny(v, `",`) {
				t.Errorf("%q: a field came out as %q", fields, v)
			}
		}
	})
}

// fuzzBody feeds a parser of bodies: it answers with a PARAM_ERROR or with a content that, written again, is
// taken again and says the same.
func fuzzBody(f *testing.F, fields []field) {
	f.Helper()
	f.Fuzz(func(t *testing.T, body []byte) {
		c, bad := parseBody(body, fields)
		if bad != nil {
			if bad.status != 400 || !json.Valid(bad.body) {
				t.Errorf("%q: refused by %d %s", body, bad.status, bad.body)
			}
			return
		}
		again, bad := parseBody([]byte(c.canonical()), fields)
		if bad != nil {
			t.Fatalf("%q: its canonical form %s is refused: %s", body, c.canonical(), bad.body)
		}
		if !bytes.Equal([]byte(again.canonical()), []byte(c.canonical())) {
			t.Errorf("%q: canonical %s, then %s", body, c.canonical(), again.canonical())
		}
	})
}

func FuzzPrepayBody(f *testing.F) {
	f.Add([]byte(`{"appid":"wx1","mchid":"1900000001","description":"d","out_trade_no":"123456","notify_url":"https://a/n","amount":{"total":1},"payer":{"openid":"o"}}`))
	f.Add([]byte(`{"amount":{"total":1e2}}`))
	f.Add([]byte(`{"amount":null,"payer":[]}`))
	fuzzBody(f, prepayFields)
}

func FuzzRefundBody(f *testing.F) {
	f.Add([]byte(`{"out_trade_no":"123456","out_refund_no":"1","amount":{"refund":1,"total":1,"currency":"CNY","from":[]}}`))
	f.Add([]byte(`{"out_refund_no":"@"}`))
	fuzzBody(f, refundFields)
}

func FuzzPartnerPrepayBody(f *testing.F) {
	f.Add([]byte(`{"sp_appid":"wx1","sp_mchid":"1900000100","sub_mchid":"1900000101","description":"d","out_trade_no":"123456","notify_url":"https://a/n","amount":{"total":1},"payer":{"sub_openid":"o"}}`))
	f.Add([]byte(`{"payer":{"sp_openid":null}}`))
	fuzzBody(f, partnerPrepayFields)
}

func FuzzAbnormalRefundBody(f *testing.F) {
	f.Add([]byte(`{"out_refund_no":"1","type":"USER_BANK_CARD","bank_type":"CMB_DEBIT","bank_account":"AA==","real_name":"AA=="}`))
	fuzzBody(f, abnormalFields)
}

// FuzzSeed: a seed that is taken makes a world.
func FuzzSeed(f *testing.F) {
	f.Add([]byte(`{"merchants":[{"mchid":"1900000003","app_ids":["wx1"]}],"apps":[{"app_id":"wx1","users":[{"openid":"o"}]}]}`))
	f.Add([]byte(`{"merchants":[{"mchid":"1900000003","sub_merchants":[{"sub_mchid":"1900000004"}]}]}`))
	f.Add([]byte(`{"merchants":[]}`))
	pair, err := pooledKey("1900000001")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		seed, err := ParseSeed(text)
		if err != nil {
			return
		}
		ring := keyRing{merchants: map[string]merchantKeys{}}
		for _, id := range seed.mchIDs() {
			ring.merchants[id] = merchantKeys{keyPair: pair}
		}
		if _, err := newWorld(seed, ring, 1); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}
