package main

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// BenchmarkCreatePayment is what a payment costs the plugin itself, without the gRPC hop, in CPU of the whole process,
// user and system. Its WeChat is as small as can be: one answer, signed beforehand, so that little else is in the number.
// BenchmarkCreateFloor is what it cannot go below.
func BenchmarkCreatePayment(b *testing.B) {
	w := world{plugin: newPlugin(wechat.Options{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}}), sim: sim.New(b), t: b}
	key, m := merchantKey(b, w), w.sim.Merchant(merchant)
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		b.Fatal(err)
	}
	config, err := json.Marshal(wechat.Config{
		MchID: m.MchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{benchKeyID: string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))},
	})
	if err != nil {
		b.Fatal(err)
	}
	account := sdk.Account{Name: "main", Generation: 1, Config: config, Mode: sdk.Mode{BaseURL: alwaysAnswering(b, key)}}
	if _, err := w.Configure(b.Context(), account); err != nil {
		b.Fatal(err)
	}
	create := w.create(firstApp, number(1))
	b.ReportAllocs()
	before := processCPU(b)
	for b.Loop() {
		if r := w.CreatePayment(b.Context(), create); r.Verdict != sdk.VerdictAccepted {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64((processCPU(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkCreateFloor is two RSA signatures and one verification: the request, the hand-off, WeChat's answer.
func BenchmarkCreateFloor(b *testing.B) {
	key := merchantKey(b, world{sim: sim.New(b), t: b})
	sum := sha256.Sum256([]byte("message"))
	before := processCPU(b)
	for b.Loop() {
		var signature []byte
		for range 2 {
			signature = sign(b, key, sum)
		}
		if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], signature); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64((processCPU(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
}

func sign(b *testing.B, key *rsa.PrivateKey, sum [sha256.Size]byte) []byte {
	b.Helper()
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, sum[:])
	if err != nil {
		b.Fatal(err)
	}
	return signature
}

func processCPU(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func merchantKey(b *testing.B, w world) *rsa.PrivateKey {
	b.Helper()
	key, err := utils.LoadPrivateKey(w.sim.Merchant(merchant).PrivateKeyPEM)
	if err != nil {
		b.Fatal(err)
	}
	return key
}

// alwaysAnswering is the base URL of a server that gives one prepay id to whatever it is asked, without a look at it.
func alwaysAnswering(b *testing.B, key *rsa.PrivateKey) string {
	b.Helper()
	const body, nonce = `{"prepay_id":"wx201410272009395522657a690389285100"}`, "e71434e9c3a974376ceb078ddfd17271"
	at := strconv.FormatInt(time.Now().Unix(), 10)
	signature := base64.StdEncoding.EncodeToString(sign(b, key, sha256.Sum256([]byte(at+"\n"+nonce+"\n"+body+"\n"))))
	answer := []byte(fmt.Sprintf("HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: %d\r\n"+
		"Request-Id: 089BBA92AA0610E50318F7C58C5820F79B0D28B25F-0\r\nWechatpay-Nonce: %s\r\nWechatpay-Timestamp: %s\r\n"+
		"Wechatpay-Serial: %s\r\nWechatpay-Signature: %s\r\n\r\n%s",
		time.Now().UTC().Format(http.TimeFormat), len(body), nonce, at, benchKeyID, signature, body))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn, answer)
		}
	}()
	return "http://" + listener.Addr().String()
}

func serve(conn net.Conn, answer []byte) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if n, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(n)))
			}
		}
		if _, err := io.CopyN(io.Discard, in, int64(length)); err != nil {
			return
		}
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}

const benchKeyID = "PUB_KEY_ID_0119000072912024010100000000000000"
