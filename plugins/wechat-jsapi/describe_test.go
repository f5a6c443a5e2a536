package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compile(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	d := plugin{}.Describe()
	if d.Name != "wechat-jsapi" || !d.Renewable || d.RefundLimits.Count != 50 || d.RefundLimits.MinInterval != time.Minute {
		t.Errorf("got %+v", d)
	}
	entry := compile(t, d.EntrySchema)
	for settings, valid := range map[string]bool{`{}`: true, `{"goods_tag":"WXG"}`: true, `{"appid":"wx1"}`: false} {
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(settings))
		if err != nil {
			t.Fatal(err)
		}
		if err := entry.Validate(v); (err == nil) != valid {
			t.Errorf("settings %s: %v", settings, err)
		}
	}
}

func TestTheAccountSchemaTakesWhatConfigureTakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	schema := compile(t, w.Describe().AccountSchema)
	config := w.account().Config
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(config))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(v); err != nil {
		t.Error(err)
	}
	// Each field is required by both, and one that neither knows is refused by both.
	for _, field := range []string{"mchid", "serial_no", "private_key", "api_v3_keys", "public_keys"} {
		var less map[string]any
		if err := json.Unmarshal(config, &less); err != nil {
			t.Fatal(err)
		}
		delete(less, field)
		refusedByBoth(t, w, schema, "without "+field, less, "/"+field)
	}
	var more map[string]any
	if err := json.Unmarshal(config, &more); err != nil {
		t.Fatal(err)
	}
	more["appid"] = firstApp
	refusedByBoth(t, w, schema, "with an app id", more, "appid")
}

func refusedByBoth(t *testing.T, w world, schema *jsonschema.Schema, name string, config map[string]any, field string) {
	t.Helper()
	if schema.Validate(config) == nil {
		t.Errorf("%s: the schema takes it", name)
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	a := w.account()
	a.Generation, a.Config = 2, text
	if _, err := w.Configure(t.Context(), a); err == nil || !strings.Contains(err.Error(), field) {
		t.Errorf("%s: Configure says %v", name, err)
	}
	if r := w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)}); r.Reason != sdk.NotFound {
		t.Errorf("%s: the account that was in use is gone: %+v", name, r)
	}
}

// What holds a secret says so: the host resolves and hides it by this mark alone.
func TestR45_SecretsOfAnAccountAreMarked(t *testing.T) {
	t.Parallel()
	var schema struct {
		Properties map[string]struct {
			WriteOnly bool                     `json:"writeOnly"`
			Items     struct{ WriteOnly bool } `json:"items"`
		} `json:"properties"`
	}
	if err := json.Unmarshal(plugin{}.Describe().AccountSchema, &schema); err != nil {
		t.Fatal(err)
	}
	if !schema.Properties["private_key"].WriteOnly || !schema.Properties["api_v3_keys"].Items.WriteOnly {
		t.Errorf("got %+v", schema.Properties)
	}
}
