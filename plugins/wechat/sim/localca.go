package sim

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// CAFile is the local CA's certificate in a keys folder. Its key lies among WeChat's own.
const CAFile = "ca.pem"

const caKeyFile = "ca_key.pem"

// servedNames are the hosts that the HTTPS listener answers for: this machine, and WeChat's own for a client whose
// host is built in and whose resolver is told otherwise.
var servedNames = []string{"localhost", "api.mch.weixin.qq.com", "api2.mch.weixin.qq.com"}

// localCA signs the certificate of the HTTPS listener. Nothing outside of this machine trusts it.
type localCA struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// loadCA takes the CA from the keys folder, so that what trusts it once trusts it at the next start; without a
// folder it is made anew.
func loadCA(dir string) (localCA, error) {
	if dir == "" {
		return newCA()
	}
	certPath, keyPath := filepath.Join(dir, CAFile), filepath.Join(wechatDir(dir), caKeyFile)
	keyText, err := os.ReadFile(keyPath)
	if errors.Is(err, os.ErrNotExist) {
		ca, err := newCA()
		if err != nil {
			return localCA{}, err
		}
		der, err := x509.MarshalPKCS8PrivateKey(ca.key)
		if err != nil {
			return localCA{}, fmt.Errorf("encode the local CA's key: %w", err)
		}
		private := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
		return ca, errors.Join(writeWhole(certPath, []byte(ca.certPEM())), writeWhole(keyPath, private))
	}
	if err != nil {
		return localCA{}, fmt.Errorf("read the local CA: %w", err)
	}
	certText, err := os.ReadFile(certPath)
	if err != nil {
		return localCA{}, fmt.Errorf("read the local CA: %w; delete %s to have a new one made", err, keyPath)
	}
	ca, err := parseCA(keyText, certText)
	if err != nil {
		return localCA{}, fmt.Errorf("%s and %s: %w; delete both to have a new CA made", keyPath, certPath, err)
	}
	return ca, nil
}

func newCA() (localCA, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return localCA{}, fmt.Errorf("make the local CA: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          new(big.Int).SetUint64(random(63)),
		Subject:               pkix.Name{CommonName: "wechatsim local CA", Organization: []string{"wechatsim"}},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.AddDate(5, 0, 0),
		KeyUsage:              x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
		MaxPathLenZero:        true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return localCA{}, fmt.Errorf("make the local CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	return localCA{key, cert}, err
}

func parseCA(keyText, certText []byte) (localCA, error) {
	keyBlock, _ := pem.Decode(keyText)
	certBlock, _ := pem.Decode(certText)
	if keyBlock == nil || certBlock == nil {
		return localCA{}, errors.New("not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(keyBlock.Bytes)
	if err != nil {
		return localCA{}, err
	}
	cert, err := x509.ParseCertificate(certBlock.Bytes)
	if err != nil {
		return localCA{}, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	switch {
	case !ok || !key.PublicKey.Equal(cert.PublicKey):
		return localCA{}, errors.New("the certificate is another key's")
	case time.Now().After(cert.NotAfter):
		return localCA{}, errors.New("the CA has expired")
	}
	return localCA{key, cert}, nil
}

func (ca localCA) certPEM() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))
}

// serverConfig makes the listener's certificate, new at each start. HTTP/1.1 alone is spoken: HTTP/2 has no way to
// spell headers as WeChat does.
func (ca localCA) serverConfig(listen net.Addr) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make the listener's key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetUint64(random(63)),
		Subject:      pkix.Name{CommonName: "wechatsim", Organization: []string{"wechatsim"}},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0), // no client takes a much longer one
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     servedNames,
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if at, ok := listen.(*net.TCPAddr); ok && !at.IP.IsUnspecified() && !at.IP.IsLoopback() {
		template.IPAddresses = append(template.IPAddresses, at.IP)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, &key.PublicKey, ca.key)
	if err != nil {
		return nil, fmt.Errorf("certify the listener: %w", err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		NextProtos:   []string{"http/1.1"},
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}, nil
}
