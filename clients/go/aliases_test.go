package panope_test

import (
	"context"
	"testing"

	"github.com/panope/panope/clients/go/panopev1"
)

func (f *fake) SetAlias(_ context.Context, r *panopev1.SetAliasRequest) (*panopev1.SetAliasResponse, error) {
	f.requests = append(f.requests, r)
	return &panopev1.SetAliasResponse{Alias: &panopev1.Alias{Name: r.GetAlias(), Targets: r.GetTargets()}}, nil
}

func (f *fake) ExplainRoute(_ context.Context, r *panopev1.ExplainRouteRequest) (*panopev1.ExplainRouteResponse, error) {
	return &panopev1.ExplainRouteResponse{Target: "acme/a", Reason: "for " + r.GetUser()}, nil
}

func (f *fake) ReportReward(_ context.Context, r *panopev1.ReportRewardRequest) (*panopev1.ReportRewardResponse, error) {
	f.requests = append(f.requests, r)
	return &panopev1.ReportRewardResponse{}, nil
}

func TestAnAliasIsDealtExplainedAndRewarded(t *testing.T) {
	f := &fake{}
	client := start(t, f)

	alias, err := client.SetAlias(t.Context(), &panopev1.SetAliasRequest{
		Alias:   "prod",
		Targets: []*panopev1.AliasTarget{{Model: "acme/a", Weight: 90}, {Model: "acme/b", Weight: 10}},
	})
	if err != nil || len(alias.GetTargets()) != 2 {
		t.Fatalf("got %v, %v", alias, err)
	}
	explained, err := client.ExplainRoute(t.Context(), "prod", "ada")
	if err != nil || explained.GetTarget() != "acme/a" || explained.GetReason() != "for ada" {
		t.Fatalf("got %v, %v", explained, err)
	}
	if err := client.ReportReward(t.Context(), "prod", "acme/a", 0.5); err != nil {
		t.Fatal(err)
	}
	if told := f.requests[1].(*panopev1.ReportRewardRequest); told.GetReward() != 0.5 || told.GetTarget() != "acme/a" {
		t.Fatalf("got %v", told)
	}
}
