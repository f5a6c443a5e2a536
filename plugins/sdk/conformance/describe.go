package conformance

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

var (
	pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)
	semver     = regexp.MustCompile(`^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
)

// maxSchema bounds a schema, in bytes.
const maxSchema = 256 << 10

func describe(p *probe) {
	one := p.startBare()
	if err := one.healthy(p.ctx); err != nil {
		p.wrong("grpc.health.v1.Health does not say that service %q is SERVING: %v", "plugin", err)
	}
	before := p.described(one)
	for _, a := range p.about.Accounts {
		p.configure(one, a, 1)
	}
	if after := p.described(one); !proto.Equal(before, after) {
		p.wrong("Describe answers something else after Configure:\n%v\nbefore:\n%v", after, before)
	}
	for what, ok := range map[string]bool{
		"name must be of a-z, 0-9 and -, at most 40":         pluginName.MatchString(before.GetName()),
		"version must be a semantic one without a leading v": semver.MatchString(before.GetVersion()),
		"description is missing: one sentence for people":    before.GetDescription() != "",
		"hand_off_kinds is empty":                            len(before.GetHandOffKinds()) > 0,
		"notification_auth is missing":                       before.GetNotificationAuth() != pb.NotificationAuth_NOTIFICATION_AUTH_UNSPECIFIED,
		"close_support is missing":                           before.GetCloseSupport() != pb.CloseSupport_CLOSE_SUPPORT_UNSPECIFIED,
		"expiry is missing":                                  before.GetExpiry() != pb.Expiry_EXPIRY_UNSPECIFIED,
		"account_schema is missing":                          len(before.GetAccountSchema()) > 0,
	} {
		if !ok {
			p.wrong("Describe: %s", what)
		}
	}
	for name, schema := range map[string][]byte{
		"account_schema": before.GetAccountSchema(), "entry_schema": before.GetEntrySchema(), "details_schema": before.GetDetailsSchema(),
	} {
		if len(schema) > 0 {
			if _, err := compile(schema); err != nil {
				p.wrong("Describe: %s is no JSON Schema: %v", name, err)
			}
		}
	}
	p.accountsFit(before.GetAccountSchema())
	for _, r := range p.about.Routes {
		if len(r.Options) > 0 {
			p.fits("the options of the fixture's route to "+r.AppID, before.GetEntrySchema(), r.Options)
		}
	}
}

func (p *probe) described(one *process) *pb.DescribeResponse {
	d, err := one.provider.Describe(p.ctx, &pb.DescribeRequest{})
	if err != nil {
		p.fatal("Describe: %v", err)
	}
	return d
}

// accountsFit holds the fixture's accounts against the schema, which must take them and mark a secret.
func (p *probe) accountsFit(schema []byte) {
	for _, a := range p.about.Accounts {
		p.fits("account "+a.Name+" of the fixture", schema, a.Config)
		compiled, err := compile(schema)
		if err != nil {
			return // told already
		}
		if len(secretsOf(compiled, a.Config)) == 0 {
			p.wrong("account_schema marks nothing of account %s as a secret: write \"writeOnly\": true where one stands, so that the gateway resolves and hides it", a.Name)
		}
	}
	if compiled, err := compile(schema); err == nil && compiled.Validate(map[string]any{"no such field": true}) == nil {
		p.note("account_schema takes unknown fields: with \"additionalProperties\": false a misspelt one would be found")
	}
}

func (p *probe) fits(what string, schema, value []byte) {
	compiled, err := compile(schema)
	if err != nil {
		return // told already
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(value))
	if err == nil {
		err = compiled.Validate(v)
	}
	if err != nil {
		// Not the validator's words, which hold the value.
		p.wrong("the schema does not take %s", what)
	}
}

func compile(schema []byte) (*jsonschema.Schema, error) {
	if len(schema) > maxSchema {
		return nil, fmt.Errorf("%d bytes, %d are allowed", len(schema), maxSchema)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.UseLoader(noLoader{})
	if err := c.AddResource("plugin:schema", document); err != nil {
		return nil, err
	}
	return c.Compile("plugin:schema")
}

// noLoader keeps a schema from making us read files or addresses, as the gateway does.
type noLoader struct{}

func (noLoader) Load(url string) (any, error) {
	return nil, fmt.Errorf("a plugin's schema must hold all that it refers to, not %s", url)
}

// services holds what Describe names against what is served.
func services(p *probe) {
	one := p.start()
	named := p.described(one).GetOptionalServices()
	for service, call := range map[pb.OptionalService]func() error{
		pb.OptionalService_OPTIONAL_SERVICE_REFUND_REPORTER: func() error {
			_, err := pb.NewRefundReporterClient(one.conn).ReportRefund(p.ctx, &pb.ReportRefundRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_ABNORMAL_REFUND: func() error {
			_, err := pb.NewAbnormalRefundClient(one.conn).ResolveAbnormalRefund(p.ctx, &pb.ResolveAbnormalRefundRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_PAYER_CODE: func() error {
			_, err := pb.NewPayerCodeClient(one.conn).ReverseByCode(p.ctx, &pb.ReverseByCodeRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_RECEIPT_PAGE: func() error {
			_, err := pb.NewReceiptPageClient(one.conn).SetReceiptPage(p.ctx, &pb.SetReceiptPageRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_SELF_TEST: func() error {
			_, err := pb.NewSelfTestClient(one.conn).RunSelfTest(p.ctx, &pb.RunSelfTestRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_DIAGNOSTICS: func() error {
			_, err := pb.NewDiagnosticsClient(one.conn).Stats(p.ctx, &pb.StatsRequest{})
			return err
		},
		pb.OptionalService_OPTIONAL_SERVICE_BILL_DOWNLOAD: func() error {
			stream, err := pb.NewBillDownloadClient(one.conn).DownloadBill(p.ctx, &pb.DownloadBillRequest{})
			if err == nil {
				_, err = stream.Recv()
			}
			return err
		},
	} {
		absent := status.Code(call()) == codes.Unimplemented
		name := strings.TrimPrefix(service.String(), "OPTIONAL_SERVICE_")
		switch said := slices.Contains(named, service); {
		case said && absent:
			p.wrong("Describe names %s, and a call to it answers UNIMPLEMENTED", name)
		case !said && !absent:
			p.wrong("a call to %s is answered, and Describe does not name it: no gateway would ever use it", name)
		}
	}
}
