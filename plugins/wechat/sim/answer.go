package sim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// answer is what WeChat says to a request.
type answer struct {
	status int
	body   []byte
	cause  int    // the end of Request-ID; 0 on success
	code   string // of a refusal, for the ledger

	contentType string // of what is not JSON
	unsigned    bool
	noRequestID bool
}

// ok is a 200. Maps come out with their keys sorted, which is how WeChat answers queries.
func ok(body any) answer { return answer{status: http.StatusOK, body: compact(body)} }

// refusal is an error body; its keys come in this order.
type refusal struct {
	Code    string `json:"code"`
	Detail  any    `json:"detail,omitempty"`
	Message string `json:"message"`
}

func refuse(status int, code, message string, cause int) answer {
	return answer{status: status, body: compact(refusal{Code: code, Message: message}), cause: cause, code: code}
}

// Causes that were seen at the end of a Request-ID.
const (
	causeParam       = 268435461
	causeReentry     = 268498688
	causeNoTrade     = 268512771
	causeNotEnough   = 268892709
	causeUnspecified = 268435456 // stands for those that nobody has published
)

// compact writes JSON as WeChat does: no spaces, UTF-8 and <>& as they are.
func compact(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // only our own types come here
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// write sends an answer, signed unless it is one that never is; spoil is AnswerTampered, AnswerProbe or nothing.
func (s *Simulator) write(w http.ResponseWriter, a answer, by signer, wall time.Time, spoil FaultKind) {
	h := w.Header()
	h["Date"] = []string{wall.UTC().Format(http.TimeFormat)}
	h["Server"] = []string{"nginx"}
	if !a.noRequestID {
		h["Request-ID"] = []string{requestID(wall, a.cause)} // WeChat's spelling, which Header.Set would change
	}
	switch {
	case a.status == http.StatusNotFound && len(a.body) == 0, a.status == http.StatusMethodNotAllowed:
		h["Content-Length"] = []string{"0"}
		w.WriteHeader(a.status)
		return
	}
	h["Content-Type"] = []string{"application/json; charset=utf-8"}
	if a.contentType != "" {
		h["Content-Type"] = []string{a.contentType}
	}
	length := "Content-Length"
	if a.status == http.StatusNoContent {
		length = "content-length" // net/http takes the usual spelling out of a 204; WeChat sends the header
	}
	h[length] = []string{strconv.Itoa(len(a.body))}
	h["Connection"] = []string{"keep-alive"}
	h["Keep-Alive"] = []string{"timeout=8"}
	h["Cache-Control"] = []string{"no-cache, must-revalidate"}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Language"] = []string{"zh-CN"}
	if !a.unsigned {
		sig := signMessage(by.key, wall, answerNonce(), a.body)
		switch spoil {
		case AnswerTampered:
			sig.signature = flip(sig.signature)
		case AnswerProbe:
			sig.signature = probePrefix + sig.signature
		}
		sig.set(h, by.serial)
	}
	w.WriteHeader(a.status)
	if len(a.body) > 0 {
		_, _ = w.Write(a.body) // a client that has gone away is the client's business
	}
}

// wechatSignature is the signature over an answer or a callback.
type wechatSignature struct{ timestamp, nonce, signature string }

// signMessage signs three lines: timestamp, nonce and body, each ended by a newline.
func signMessage(key *rsa.PrivateKey, wall time.Time, nonce string, body []byte) wechatSignature {
	timestamp := strconv.FormatInt(wall.Unix(), 10)
	sum := sha256.New()
	sum.Write([]byte(timestamp + "\n" + nonce + "\n"))
	sum.Write(body)
	sum.Write([]byte("\n"))
	raw, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum.Sum(nil))
	if err != nil {
		panic(fmt.Sprintf("sign as WeChat: %v", err)) // a generated 2048-bit key always signs 32 bytes
	}
	return wechatSignature{timestamp, nonce, base64.StdEncoding.EncodeToString(raw)}
}

func (sig wechatSignature) set(h http.Header, serial string) {
	h["Wechatpay-Nonce"] = []string{sig.nonce}
	h["Wechatpay-Signature"] = []string{sig.signature}
	h["Wechatpay-Timestamp"] = []string{sig.timestamp}
	h["Wechatpay-Serial"] = []string{serial}
	h["Wechatpay-Signature-Type"] = []string{"WECHATPAY2-SHA256-RSA2048"}
}

// probePrefix begins the signatures that WeChat sends to see whether a merchant refuses them.
const probePrefix = "WECHATPAY/SIGNTEST/"

// flip changes one character of a base64 text and leaves it base64.
func flip(text string) string {
	b := []byte(text)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}
