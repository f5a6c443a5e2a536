package httpapi

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// operation is what openapi.yaml says of one call, as far as it is checked before the call is served.
type operation struct {
	scope string                      // that the key must have
	path  map[string]*openapi3.Schema // what its address names
	query map[string]*openapi3.Schema // the parameters it knows
	body  *openapi3.Schema            // nil: it takes none
	most  int64                       // bytes of the body
}

// contract is every call, by method and path template, as in "GET /v1/orders/{number}".
type contract map[string]operation

//go:embed admin.yaml
var adminDocument []byte

// adminBodyLimit bounds the body of an operator's call, in bytes: a whole configuration.
const adminBodyLimit = 8 << 20

// readContract reads the embedded openapi.yaml. A call without exactly one scope is refused: what nobody thought about
// is open to nobody.
func readContract() (contract, error) {
	spec, err := GetSpec()
	if err != nil {
		return nil, fmt.Errorf("read the embedded OpenAPI document: %w", err)
	}
	calls := readCalls(spec, bodyLimit)
	for call, o := range calls {
		method, path, _ := strings.Cut(call, " ")
		op := spec.Paths.Value(path).GetOperation(method)
		if op.Security == nil || len(*op.Security) != 1 || len((*op.Security)[0]["appKey"]) != 1 {
			return nil, fmt.Errorf("the OpenAPI document must give %s one scope", call)
		}
		o.scope = (*op.Security)[0]["appKey"][0]
		calls[call] = o
	}
	return calls, nil
}

// readAdminContract reads the embedded admin.yaml, whose every call wants the admin token.
func readAdminContract() (contract, error) {
	spec, err := openapi3.NewLoader().LoadFromData(adminDocument)
	if err != nil {
		return nil, fmt.Errorf("read the embedded OpenAPI document of the admin API: %w", err)
	}
	return readCalls(spec, adminBodyLimit), nil
}

func readCalls(spec *openapi3.T, most int64) contract {
	calls := contract{}
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			o := operation{path: map[string]*openapi3.Schema{}, query: map[string]*openapi3.Schema{}, most: most}
			for _, p := range slices.Concat(item.Parameters, op.Parameters) {
				switch p.Value.In {
				case openapi3.ParameterInPath:
					o.path[p.Value.Name] = p.Value.Schema.Value
				case openapi3.ParameterInQuery:
					o.query[p.Value.Name] = p.Value.Schema.Value
				}
			}
			if op.RequestBody != nil {
				o.body = op.RequestBody.Value.Content["application/json"].Schema.Value
			}
			calls[strings.ToUpper(method)+" "+path] = o
		}
	}
	return calls
}
