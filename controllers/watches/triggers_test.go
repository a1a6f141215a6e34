// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metainternalversionscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/streaming"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/edge-registry/edge-registry-operator/controllers/objects"
)

func metadataOf(name, resourceVersion string) *metav1.PartialObjectMetadata {
	return &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: name, ResourceVersion: resourceVersion}}
}

func boundMetadata(name, resourceVersion, credentialID string) *metav1.PartialObjectMetadata {
	bound := metadataOf(name, resourceVersion)
	bound.Labels = map[string]string{objects.KindLabel: objects.KindBound}
	if credentialID != "" {
		bound.Annotations = map[string]string{objects.CredentialIDAnnotation: credentialID, objects.IssuedAtAnnotation: "2026-11-22T03:39:14Z"}
	}
	return bound
}

// tokenSecretMetadata is the Secret of a published token that does not expire, and so has no id.
func tokenSecretMetadata(name, resourceVersion string) *metav1.PartialObjectMetadata {
	secret := boundMetadata(name, resourceVersion, "id")
	delete(secret.Annotations, objects.CredentialIDAnnotation)
	return secret
}

// isPublished stands in for what a provider takes for news.
func isPublished(object metav1.Object) bool {
	return object.GetLabels()[objects.KindLabel] != objects.KindBound || object.GetAnnotations()[objects.IssuedAtAnnotation] != ""
}

var ofSecrets = source{kind: corev1.SchemeGroupVersion.WithKind("SecretList")}

var tooOldVersion = &metav1.Status{
	Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired, Message: "too old resource version",
}

func TestDrainTellsEachChangeAndWhereToGoOn(t *testing.T) {
	for _, tt := range []struct {
		name    string
		events  []watch.Event
		names   []string
		version string
		fails   bool
	}{
		{"a watch that ends at once goes on where it began", nil, nil, "7", false},
		{
			"every kind of change counts",
			[]watch.Event{
				{Type: watch.Added, Object: metadataOf("a", "8")},
				{Type: watch.Modified, Object: metadataOf("b", "9")},
				{Type: watch.Deleted, Object: metadataOf("c", "10")},
			},
			[]string{"a", "b", "c"}, "10", false,
		},
		{
			"a bookmark is no change",
			[]watch.Event{{Type: watch.Added, Object: metadataOf("a", "8")}, {Type: watch.Bookmark, Object: metadataOf("", "12")}},
			[]string{"a"}, "12", false,
		},
		{
			"a bound Secret is news once its token is published, or when it is altered",
			[]watch.Event{
				{Type: watch.Added, Object: boundMetadata("new", "8", "")},
				{Type: watch.Deleted, Object: boundMetadata("lost", "9", "")},
				{Type: watch.Modified, Object: boundMetadata("altered", "10", "")},
				{Type: watch.Added, Object: boundMetadata("published", "11", "id")},
				{Type: watch.Deleted, Object: boundMetadata("revoked", "12", "id")},
			},
			[]string{"altered", "published", "revoked"}, "12", false,
		},
		{
			"the Secret of a token that does not expire is news when it is deleted, which revokes the token",
			[]watch.Event{{Type: watch.Deleted, Object: tokenSecretMetadata("revoked", "8")}},
			[]string{"revoked"}, "8", false,
		},
		{
			"an error means that events may have been missed",
			[]watch.Event{{Type: watch.Added, Object: metadataOf("a", "8")}, {Type: watch.Error, Object: tooOldVersion}},
			[]string{"a"}, "", true,
		},
	} {
		for _, mediaType := range []string{runtime.ContentTypeProtobuf, runtime.ContentTypeJSON} {
			t.Run(tt.name+", in "+mediaType, func(t *testing.T) {
				g := NewWithT(t)
				events := watch.NewFakeWithChanSize(len(tt.events), false)
				for _, event := range tt.events {
					events.Action(event.Type, event.Object)
				}
				if !tt.fails {
					events.Stop()
				}
				var names []string
				f := &followed{version: "7", events: bodyOf(mediaType, events), reader: byName(func(name string) { names = append(names, name) })}
				err := f.drain(isPublished)
				g.Expect(names).To(Equal(tt.names))
				g.Expect(f.version).To(Equal(tt.version))
				if tt.fails {
					g.Expect(apierrors.IsResourceExpired(err)).To(BeTrue(), "%v", err)
					g.Expect(events.IsStopped()).To(BeTrue())
					return
				}
				g.Expect(err).NotTo(HaveOccurred())
			})
		}
	}
}

// bodyOf is what the API server writes of a watch, in protobuf or in JSON.
func bodyOf(mediaType string, events *watch.FakeWatcher) io.ReadCloser {
	info, _ := runtime.SerializerInfoForMediaType(metainternalversionscheme.Codecs.SupportedMediaTypes(), mediaType)
	encoder := metainternalversionscheme.Codecs.EncoderForVersion(info.Serializer, metav1.SchemeGroupVersion)
	reader, writer := io.Pipe()
	frames := streaming.NewEncoder(info.StreamSerializer.NewFrameWriter(writer), info.StreamSerializer.Serializer)
	go func() {
		defer func() { _ = writer.Close() }()
		for event := range events.ResultChan() {
			object, err := runtime.Encode(encoder, event.Object)
			if err == nil {
				err = frames.Encode(&metav1.WatchEvent{Type: string(event.Type), Object: runtime.RawExtension{Raw: object}})
			}
			if err != nil {
				_ = writer.CloseWithError(err)
				return
			}
		}
	}()
	return body{reader, events.Stop}
}

// body is read to its end, or closed.
type body struct {
	*io.PipeReader
	stop func()
}

func (b body) Close() error {
	b.stop()
	return b.PipeReader.Close()
}

// watchServer answers watches in order, and keeps how it was asked.
type watchServer struct {
	mu      sync.Mutex
	answers []any // a *watch.FakeWatcher or an error; none left means a watch without events
	asked   []string
	at      []time.Time
	options []client.ListOptions
}

func (s *watchServer) watch(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := client.ListOptions{}
	o.ApplyOptions(options)
	s.asked = append(s.asked, kind.Kind+"@"+o.Raw.ResourceVersion)
	s.at = append(s.at, time.Now())
	s.options = append(s.options, o)
	if len(s.answers) == 0 {
		open := watch.NewFake()
		context.AfterFunc(ctx, open.Stop)
		return bodyOf(runtime.ContentTypeProtobuf, open), nil
	}
	answer := s.answers[0]
	s.answers = s.answers[1:]
	if err, failed := answer.(error); failed {
		return nil, err
	}
	return bodyOf(runtime.ContentTypeProtobuf, answer.(*watch.FakeWatcher)), nil
}

// finished is a watch that sends its events and ends.
func finished(events ...watch.Event) *watch.FakeWatcher {
	w := watch.NewFakeWithChanSize(len(events), false)
	for _, event := range events {
		w.Action(event.Type, event.Object)
	}
	w.Stop()
	return w
}

func TestFollowLooksAgainWheneverSomethingMayHaveBeenMissed(t *testing.T) {
	added := func(version string) watch.Event {
		return watch.Event{Type: watch.Added, Object: metadataOf("a", version)}
	}
	for _, tt := range []struct {
		name    string
		answers func() []any
		asked   []string
		changed []string
	}{
		{"a fresh watch", func() []any { return nil }, []string{"SecretList@"}, []string{""}},
		{
			"a watch that ended goes on where it was",
			func() []any { return []any{finished(added("8"))} },
			[]string{"SecretList@", "SecretList@8"},
			[]string{"", "a"},
		},
		{
			"a watch that ended with an error begins again",
			func() []any {
				w := watch.NewFakeWithChanSize(2, false)
				w.Action(watch.Added, metadataOf("a", "8"))
				w.Action(watch.Error, tooOldVersion)
				return []any{w}
			},
			[]string{"SecretList@", "SecretList@"},
			[]string{"", "a", ""},
		},
		{
			"a watch that cannot be made is tried again",
			func() []any { return []any{finished(added("8")), errors.New("connection refused"), errors.New("gone")} },
			[]string{"SecretList@", "SecretList@8", "SecretList@", "SecretList@"},
			[]string{"", "a", ""},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				server := &watchServer{answers: tt.answers()}
				ctx, cancel := context.WithCancel(t.Context())
				var changed []string
				over := make(chan struct{})
				go func() {
					defer close(over)
					NewTriggers(server.watch, objects.EdgeLabel, isPublished).follow(ctx, &followed{source: ofSecrets, reader: byName(func(name string) {
						changed = append(changed, name)
					})})
				}()
				<-time.After(time.Hour)
				synctest.Wait()
				g.Expect(server.asked).To(Equal(tt.asked))
				g.Expect(changed).To(Equal(tt.changed))
				for _, o := range server.options {
					g.Expect(o.Raw.AllowWatchBookmarks).To(BeTrue())
					g.Expect(o.Raw.TimeoutSeconds).To(HaveValue(And(BeNumerically(">=", 300), BeNumerically("<=", 600))))
				}
				cancel()
				<-over
			})
		})
	}
}

func TestFollowDoesNotPressAServerThatEndsEveryWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		server := &watchServer{}
		for range 1000 {
			server.answers = append(server.answers, errors.New("connection refused"))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		NewTriggers(server.watch, objects.EdgeLabel, isPublished).follow(ctx, &followed{source: ofSecrets, reader: byName(func(string) {})})
		g.Expect(len(server.asked)).To(And(BeNumerically(">=", 45), BeNumerically("<=", 80)))
		g.Expect(server.at[1].Sub(server.at[0])).To(And(BeNumerically(">=", time.Second), BeNumerically("<=", 1200*time.Millisecond)))
		last := len(server.at) - 1
		g.Expect(server.at[last].Sub(server.at[last-1])).To(And(BeNumerically(">=", watchBackoffCap), BeNumerically("<=", watchBackoffCap*12/10)))
	})
}
