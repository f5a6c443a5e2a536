package wechat

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

func TestRequestSignatureIsThePublishedOne(t *testing.T) {
	t.Parallel()
	var v published
	readVector(t, "wechat-published.json", &v)
	at, err := strconv.ParseInt(v.Request.Timestamp, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, testConfig(t), Options{})
	got, err := c.authorizationAt(v.Request.Method, v.Request.Path, []byte(v.Request.Body), at, v.Request.Nonce)
	if err != nil {
		t.Fatal(err)
	}
	want := `WECHATPAY2-SHA256-RSA2048 mchid="1900007291",nonce_str="593BEC0C930BF1AFEB40B4A08C8FB242",` +
		`timestamp="1554208460",serial_no="` + testSerial + `",signature="` + v.Request.Signature + `"`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPaySignatureIsThePublishedOne(t *testing.T) {
	t.Parallel()
	var v published
	readVector(t, "wechat-published.json", &v)
	got, err := newClient(t, testConfig(t), Options{}).payParams("wx2421b1c4370ec43b",
		"wx201410272009395522657a690389285100", "1554208460", "593BEC0C930BF1AFEB40B4A08C8FB242")
	if err != nil {
		t.Fatal(err)
	}
	want := PayParams{
		AppID: "wx2421b1c4370ec43b", TimeStamp: "1554208460", NonceStr: "593BEC0C930BF1AFEB40B4A08C8FB242",
		Package: "prepay_id=wx201410272009395522657a690389285100", SignType: "RSA", PaySign: v.ClientPay.Signature,
	}
	if got != want {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func TestAnswerSignatureIsThePublishedOne(t *testing.T) {
	t.Parallel()
	var v published
	readVector(t, "wechat-published.json", &v)
	config := testConfig(t)
	config.PublicKeys = map[string]string{testKeyID: v.Answer.PublicKey}
	c := newClient(t, config, Options{})
	h := http.Header{}
	h.Set(consts.WechatPayTimestamp, v.Answer.Timestamp)
	h.Set(consts.WechatPayNonce, v.Answer.Nonce)
	h.Set(consts.WechatPaySerial, testKeyID)
	h.Set(consts.WechatPaySignature, v.Answer.Signature)
	at := time.Unix(1722850421, 0)

	if err := c.verify(h, []byte(v.Answer.Body), at); err != nil {
		t.Error("the published answer:", err)
	}
	if err := c.verify(h, []byte(v.Answer.Body+"\n"), at); !errors.Is(err, ErrSignature) {
		t.Error("one byte more:", err)
	}
	h.Set(consts.WechatPayNonce, strings.ToUpper(v.Answer.Nonce))
	if err := c.verify(h, []byte(v.Answer.Body), at); !errors.Is(err, ErrSignature) {
		t.Error("another nonce:", err)
	}
}

// The vector's key has 16 bytes, which Config refuses; what is tested is how the library is called.
func TestResourceIsThePublishedOne(t *testing.T) {
	t.Parallel()
	var v struct {
		Key        string `json:"api_v3_key"`
		AAD        string `json:"associated_data"`
		Nonce      string `json:"nonce"`
		Ciphertext string `json:"ciphertext"`
		Plaintext  string `json:"plaintext"`
	}
	readVector(t, "aes-gcm.json", &v)
	c := &Client{apiV3Keys: []string{testAPIv3Key, v.Key}}
	got, err := c.open(resource{Algorithm: "AEAD_AES_256_GCM", Ciphertext: v.Ciphertext, AssociatedData: v.AAD, Nonce: v.Nonce})
	if err != nil || string(got) != v.Plaintext {
		t.Errorf("got %q, %v; want %q", got, err, v.Plaintext)
	}
}

func TestSHA256WithRSAIsThePublishedOne(t *testing.T) {
	t.Parallel()
	var v struct{ Message, Signature string }
	readVector(t, "sign-sha256-rsa.json", &v)
	got, err := utils.SignSHA256WithRSA(v.Message, wechatKey(t))
	if err != nil || got != v.Signature {
		t.Errorf("got %q, %v; want %q", got, err, v.Signature)
	}
}
