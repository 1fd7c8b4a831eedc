// The official clients' libraries, as the official command lines call them: a command's name as its argument, what it is told as one JSON object on
// standard input, what it was answered on standard output. `atlas …` and `api …` are calls of the Admin API's library (the Atlas command line's: of
// clusters in the version that it is pinned to), `v1 …` of the library of v1.0, `http` is any other request with the same digest transport.
//
// Where and as whom is told by the command lines' own environment variables: MONGODB_ATLAS_OPS_MANAGER_URL, MONGODB_ATLAS_PUBLIC_API_KEY,
// MONGODB_ATLAS_PRIVATE_API_KEY, or MONGODB_ATLAS_CLIENT_ID and MONGODB_ATLAS_CLIENT_SECRET.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/mongodb-forks/digest"
	pinned "go.mongodb.org/atlas-sdk/v20240530005/admin"
	"go.mongodb.org/atlas-sdk/v20250312005/admin"
	"go.mongodb.org/atlas/mongodbatlas"
)

const userAgent = "atlascli/1.50.0 (linux;amd64;native)"

type request struct {
	Method      string `json:"method"`
	Target      string `json:"target"`
	Accept      string `json:"accept"`
	ContentType string `json:"contentType"`
	Status      int    `json:"status"`
}

// Notes what goes out, without bodies and logins.
type observer struct {
	base http.RoundTripper
	seen []request
}

func (o *observer) RoundTrip(r *http.Request) (*http.Response, error) {
	one := request{r.Method, r.URL.RequestURI(), r.Header.Get("Accept"), r.Header.Get("Content-Type"), 0}
	answer, err := o.base.RoundTrip(r)
	if answer != nil {
		one.Status = answer.StatusCode
	}
	o.seen = append(o.seen, one)
	return answer, err
}

type clients struct {
	url    string
	http   *http.Client
	v2     *admin.APIClient
	pinned *pinned.APIClient
	v1     *mongodbatlas.Client
}

type input struct {
	Org   string          `json:"org"`
	Group string          `json:"group"`
	Name  string          `json:"name"`  // of what the command is about, or its id
	Other string          `json:"other"` // a second one
	Body  json.RawMessage `json:"body"`
}

type output struct {
	Result   any       `json:"result"`
	Error    string    `json:"error,omitempty"`
	Code     string    `json:"code,omitempty"`
	Requests []request `json:"requests"`
}

type command func(context.Context, *clients, input) (any, error)

func connect(seen *observer) (*clients, error) {
	made := &clients{url: os.Getenv("MONGODB_ATLAS_OPS_MANAGER_URL")}
	if id := os.Getenv("MONGODB_ATLAS_CLIENT_ID"); id != "" {
		ctx := context.Background()
		client, err := admin.NewClient(admin.UseBaseURL(made.url), admin.UseOAuthAuth(ctx, id, os.Getenv("MONGODB_ATLAS_CLIENT_SECRET")), admin.UseUserAgent(userAgent))
		made.v2 = client
		return made, err
	}
	transport := digest.NewTransportWithHTTPRoundTripper(os.Getenv("MONGODB_ATLAS_PUBLIC_API_KEY"), os.Getenv("MONGODB_ATLAS_PRIVATE_API_KEY"), seen)
	client, err := transport.Client()
	if err != nil {
		return nil, err
	}
	made.http = client
	if made.v2, err = admin.NewClient(admin.UseHTTPClient(client), admin.UseBaseURL(made.url), admin.UseUserAgent(userAgent)); err != nil {
		return nil, err
	}
	if made.pinned, err = pinned.NewClient(pinned.UseHTTPClient(client), pinned.UseBaseURL(made.url), pinned.UseUserAgent(userAgent)); err != nil {
		return nil, err
	}
	made.v1, err = mongodbatlas.New(client, mongodbatlas.SetBaseURL(made.url+"/"), mongodbatlas.SetUserAgent(userAgent))
	return made, err
}

func codeOf(err error) string {
	if told, ok := admin.AsError(err); ok {
		return told.GetErrorCode()
	}
	if told, ok := pinned.AsError(err); ok {
		return told.GetErrorCode()
	}
	var old *mongodbatlas.ErrorResponse
	if errors.As(err, &old) {
		return old.ErrorCode
	}
	return ""
}

func run(name string) error {
	chosen, known := commands[name]
	if !known {
		return fmt.Errorf("there is no command %q", name)
	}
	var in input
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	seen := &observer{base: &http.Transport{ResponseHeaderTimeout: time.Minute, TLSHandshakeTimeout: 5 * time.Second}}
	all, err := connect(seen)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	result, err := chosen(ctx, all, in)
	out := output{Result: result, Requests: seen.seen}
	if err != nil {
		out.Result, out.Error, out.Code = nil, err.Error(), codeOf(err)
	}
	return json.NewEncoder(os.Stdout).Encode(out)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: clients COMMAND < what-it-is-told.json")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "clients:", err)
		os.Exit(1)
	}
}
