package config

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const secret = "s3cr3t-value"

func write(t *testing.T, text string, mode os.FileMode) (ref string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask
		t.Fatal(err)
	}
	return fromFile + path
}

func TestSecretIsReadFromWhereItIs(t *testing.T) {
	t.Setenv("PAYBRIDGE_TEST_SECRET", secret)
	for _, row := range []struct {
		name, ref string
		strict    bool
		want      string // the secret, or
		wantErr   string // a part of the error
	}{
		{name: "a variable", ref: "env:PAYBRIDGE_TEST_SECRET", want: secret},
		{name: "a file, without its last newline", ref: write(t, secret+"\n", 0o600), want: secret},
		{name: "a file of many lines", ref: write(t, "a\nb\r\n", 0o600), want: "a\nb"},
		{name: "a variable that is not set", ref: "env:PAYBRIDGE_TEST_NONE", wantErr: "env:PAYBRIDGE_TEST_NONE: the variable is not set"},
		{name: "a file that is not there", ref: "file:/nowhere/at/all", wantErr: "no such file"},
		{name: "an empty file", ref: write(t, "\n", 0o600), wantErr: "the file is empty"},
		{name: "a huge file", ref: write(t, strings.Repeat("x", secretSize+1), 0o600), wantErr: "is over 65536 bytes"},
		{name: "no reference", ref: "", wantErr: "no secret is named"},
		{name: "a file for all eyes, in development", ref: write(t, secret, 0o644), want: secret},
		{name: "a file for all eyes, in production", ref: write(t, secret, 0o644), strict: true, wantErr: "chmod 600"},
		{name: "a file for the group, in production", ref: write(t, secret, 0o640), strict: true, want: secret},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := SecretRef{ref: row.ref, strict: row.strict}.Resolve()
			switch {
			case row.wantErr == "" && (err != nil || got != row.want):
				t.Errorf("got %q, %v; want %q", got, err, row.want)
			case row.wantErr != "" && (err == nil || !strings.Contains(err.Error(), row.wantErr)):
				t.Errorf("got %q, %v; want an error with %q", got, err, row.wantErr)
			}
		})
	}
}

func TestProductionFindsKeyFilesForAllEyesAtLoad(t *testing.T) {
	t.Parallel()
	open := write(t, secret, 0o644)
	text := strings.NewReplacer("mode: development\n", "admin: {token: env:TOKEN}\n", "http://127.0.0.1:8080/", "https://a",
		"file:a.key", open, "file:key.pem", open).Replace(least)
	got := strings.Join(problems(t, text, nil), "\n")
	for _, want := range []string{"c.yaml:5: secrets.keys[0].ref: ", "c.yaml:22: accounts[0].config: ", "chmod 600 "} {
		if !strings.Contains(got, want) {
			t.Errorf("told\n%s\nwant %q in it", got, want)
		}
	}
}

func TestR45_SecretsAreInNoErrorAndNoPrint(t *testing.T) {
	t.Setenv("PAYBRIDGE_TEST_SECRET", secret)
	c, err := load(strings.ReplaceAll(least, "env:HOSPITAL_KEY", "env:PAYBRIDGE_TEST_SECRET") +
		"admin: {token: env:PAYBRIDGE_TEST_SECRET}")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ResolveConfig(map[string]any{"k": "env:PAYBRIDGE_TEST_SECRET"}, nil); err != nil { // read once, still not shown
		t.Fatal(err)
	}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for form, shown := range map[string]string{
		"JSON": string(text), "%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", c), "%#v": fmt.Sprintf("%#v", c),
	} {
		if strings.Contains(shown, secret) || !strings.Contains(shown, "env:PAYBRIDGE_TEST_SECRET") {
			t.Errorf("as %s: %s", form, shown)
		}
	}

	// A secret in the place of its reference, of another type, or under a wrong key.
	for _, wrong := range []string{
		"admin: {token: %s}", "admin: %s", "store: {dsn: %s}", "admin: {token: {%s: %[1]s}}", "secrets: {keys: [{id: a, ref: %s}]}",
		"secrets: {keys: %s}", "admin: {tokn: %s}", "trusted_proxies: %s", "apps: [{keys: [{id: a, secret: %s, scopes: []}]}]", "%s",
		"accounts: [{config: %s}]", "shutdown_grace: %s", "listen: {public: %s}",
	} {
		for _, s := range []string{secret, "9134567890123"} {
			_, err := load(fmt.Sprintf(strings.ReplaceAll(wrong, "%s:", "k:"), s))
			if err == nil || strings.Contains(err.Error(), s) {
				t.Errorf("%s: the error is %v", wrong, err)
			}
		}
	}
	key := SecretKey{ID: "a", Ref: SecretRef{ref: "env:PAYBRIDGE_TEST_SECRET"}}
	if _, err := key.Key(); err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("a key that is none: %v", err)
	}
}

// TestR45_AKeyIsNoPartOfAnAccount holds that a key which was pasted where its reference belongs gets neither into the
// database nor into the error.
func TestR45_AKeyIsNoPartOfAnAccount(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("s3cr3tAB", 40)
	for _, row := range []struct {
		name, config string // below the account's config
		want         string // the only problem, by its beginning; empty for none
	}{
		{"PEM", "private_key: |\n        -----BEGIN PRIVATE KEY-----\n        " + body + "\n        -----END PRIVATE KEY-----", "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"PEM on one line", "private_key: '-----BEGIN PRIVATE KEY----- " + body + " -----END PRIVATE KEY-----'", "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"the key without PEM's lines", "private_key: MIIEvQIBADANBgkqh" + body + "==", "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"an EC key without PEM's lines", "private_key: MHcCAQEE" + body[:120], "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"several lines", `private_key: "` + body + `\n` + body + `"`, "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"in a list", "keys: [plain, 'PRIVATE KEY " + body + "']", "c.yaml:23: accounts[0].config.keys[1]: holds a key"},
		{"below", "a:\n        b: '-----BEGIN PUBLIC KEY----- " + body + "'", "c.yaml:24: accounts[0].config.a.b: holds a key"},
		{"a reference that goes on", `private_key: "file:key.pem\n` + body + `"`, "c.yaml:23: accounts[0].config.private_key: holds a key"},
		{"a reference", "private_key: file:PRIVATE KEY.pem", ""},
		{"an id", "public_key_id: PUB_KEY_ID_0119000000012026010100000000000001", ""},
		{"a serial number", "serial_no: 5157F09EFDC096DE15EBE81A47057A7232F1B8E1", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(least, "private_key: file:key.pem", row.config, 1)
			got := problems(t, text, nil)
			if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], row.want)) {
				t.Errorf("told\n  %s\nwant %q", strings.Join(got, "\n  "), row.want)
			}
			if told := strings.Join(got, "\n"); strings.Contains(told, "s3cr3t") || row.want != "" && !strings.Contains(told, "write file:path here, or env:NAME") {
				t.Errorf("the secret is told, or the remedy is not: %s", told)
			}
		})
	}
}

func TestKeyOfEncryptionAtRest(t *testing.T) {
	t.Parallel()
	want := []byte(strings.Repeat("k", 32))
	ref := write(t, base64.StdEncoding.EncodeToString(want)+"\n", 0o600)
	got, err := SecretKey{ID: "a", Ref: SecretRef{ref: ref}}.Key()
	if err != nil || string(got) != string(want) {
		t.Errorf("got %x, %v", got, err)
	}
	short := write(t, base64.StdEncoding.EncodeToString(want[1:]), 0o600)
	if _, err := (SecretKey{ID: "a", Ref: SecretRef{ref: short}}).Key(); err == nil {
		t.Error("31 bytes are a key")
	}
}

func TestAccountConfigIsResolvedAtAnyDepth(t *testing.T) {
	t.Setenv("PAYBRIDGE_TEST_SECRET", secret)
	in := map[string]any{
		"serial_no": "5157", "n": 3, "env": "env:", // "env:" names nothing: a text like any other
		"keys": []any{"env:PAYBRIDGE_TEST_SECRET"}, "map": map[string]any{"id": write(t, "pem", 0o600)},
	}
	got, err := Config{}.ResolveConfig(in, nil)
	want := map[string]any{"serial_no": "5157", "n": 3, "env": "env:", "keys": []any{secret}, "map": map[string]any{"id": "pem"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %v; want %v", got, err, want)
	}
	if in["keys"].([]any)[0] != "env:PAYBRIDGE_TEST_SECRET" {
		t.Error("the config itself now holds the secret")
	}
	_, err = Config{}.ResolveConfig(map[string]any{"a": map[string]any{"b": "env:PAYBRIDGE_TEST_NONE"}}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "a: b: the secret env:PAYBRIDGE_TEST_NONE") {
		t.Errorf("an account's missing secret: %v", err)
	}
}
