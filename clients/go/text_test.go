package panope_test

import (
	"context"
	"testing"

	"github.com/panope/panope/clients/go/panopev1"
)

// AnswerQuestion answers each question by its whole context.
func (f *fake) AnswerQuestion(
	ctx context.Context, request *panopev1.AnswerQuestionRequest,
) (*panopev1.AnswerQuestionResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.AnswerQuestionResponse{Model: request.GetModel()}
	for _, text := range request.GetContexts() {
		answers := []*panopev1.Answer{{Answer: text, Score: 0.5}}
		response.Questions = append(response.Questions, &panopev1.QuestionAnswers{Answers: answers})
	}
	return response, nil
}

// AnswerTableQuestion answers each question about a table by itself.
func (f *fake) AnswerTableQuestion(
	ctx context.Context, request *panopev1.AnswerTableQuestionRequest,
) (*panopev1.AnswerTableQuestionResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.AnswerTableQuestionResponse{Model: request.GetModel()}
	for _, text := range request.GetQuestions() {
		response.Answers = append(response.Answers, &panopev1.TableAnswer{Answer: text})
	}
	return response, nil
}

// FillMask fills each text with itself.
func (f *fake) FillMask(
	ctx context.Context, request *panopev1.FillMaskRequest,
) (*panopev1.FillMaskResponse, error) {
	if err := f.enter(ctx, request); err != nil {
		return nil, err
	}
	response := &panopev1.FillMaskResponse{Model: request.GetModel()}
	for _, text := range request.GetTexts() {
		masks := []*panopev1.FilledMask{{Fillings: []*panopev1.MaskFilling{{Token: text, Score: 0.5}}}}
		response.Texts = append(response.Texts, &panopev1.FilledText{Masks: masks})
	}
	return response, nil
}

func TestQuestionsAreAnsweredAndMasksFilled(t *testing.T) {
	client := start(t, &fake{})

	answered, err := client.AnswerQuestion(t.Context(), &panopev1.AnswerQuestionRequest{
		Model: model, Questions: []string{"q"}, Contexts: []string{"c"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer := answered.GetQuestions()[0].GetAnswers()[0].GetAnswer(); answer != "c" {
		t.Errorf("got %q", answer)
	}

	found, err := client.AnswerTableQuestion(t.Context(), &panopev1.AnswerTableQuestionRequest{
		Model: model, Questions: []string{"q"}, Table: &panopev1.Table{Columns: []string{"c"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if answer := found.GetAnswers()[0].GetAnswer(); answer != "q" {
		t.Errorf("got %q", answer)
	}

	filled, err := client.FillMask(t.Context(), &panopev1.FillMaskRequest{Model: model, Texts: []string{"a"}})
	if err != nil {
		t.Fatal(err)
	}
	if token := filled.GetTexts()[0].GetMasks()[0].GetFillings()[0].GetToken(); token != "a" {
		t.Errorf("got %q", token)
	}
}
