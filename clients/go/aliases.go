package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// SetAlias points an alias to a model, or to several targets among which its calls are split.
func (c *Client) SetAlias(ctx context.Context, request *panopev1.SetAliasRequest) (*panopev1.Alias, error) {
	response, err := c.aliases.SetAlias(ctx, request)
	return response.GetAlias(), err
}

// ExplainRoute tells which target of an alias with several a user gets, why, and what was observed of each. An empty
// user asks for a request's.
func (c *Client) ExplainRoute(ctx context.Context, alias, user string) (*panopev1.ExplainRouteResponse, error) {
	return c.aliases.ExplainRoute(ctx, &panopev1.ExplainRouteRequest{Alias: alias, User: user})
}

// ReportReward tells how good an answer of a target was, from 0 for useless to 1 for perfect; a bandit on rewards
// learns from it. The answer's model is the target.
func (c *Client) ReportReward(ctx context.Context, alias, target string, reward float64) error {
	_, err := c.aliases.ReportReward(ctx, &panopev1.ReportRewardRequest{Alias: alias, Target: target, Reward: reward})
	return err
}
