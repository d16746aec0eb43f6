package panope

import (
	"context"

	"github.com/panope/panope/clients/go/panopev1"
)

// AnswerQuestion answers questions by parts of the texts that are given with them, the highest score first.
func (c *Client) AnswerQuestion(
	ctx context.Context, request *panopev1.AnswerQuestionRequest,
) (*panopev1.AnswerQuestionResponse, error) {
	return c.text.AnswerQuestion(ctx, request)
}

// AnswerTableQuestion answers questions by the cells of a table.
func (c *Client) AnswerTableQuestion(
	ctx context.Context, request *panopev1.AnswerTableQuestionRequest,
) (*panopev1.AnswerTableQuestionResponse, error) {
	return c.text.AnswerTableQuestion(ctx, request)
}

// FillMask tells the tokens that fill the masks of texts, the likeliest first.
func (c *Client) FillMask(ctx context.Context, request *panopev1.FillMaskRequest) (*panopev1.FillMaskResponse, error) {
	return c.text.FillMask(ctx, request)
}
