package panope

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/panope/panope/clients/go/panopev1"
)

// Embeddings are the vectors of a batch.
type Embeddings struct {
	// Model is the one that answered.
	Model string
	// Vectors has one vector for each text, in their order. All share one array.
	Vectors [][]float32
	// TokenCounts has the tokens of each text as it was run, prompt and special tokens included.
	TokenCounts []uint32
	// TruncatedIndices are the positions of texts that were cut, ascending.
	TruncatedIndices []uint32
	// SparseVectors has one for each text, of a model that gives sparse vectors; then Vectors has none.
	SparseVectors []SparseVector
	// VectorCounts has how many of Vectors each text has, of a model with a vector for each token: those of one text come
	// after another's.
	VectorCounts []uint32
}

// SparseVector is a vector of which most values are 0.
type SparseVector struct {
	// Indices are where those are that are not, ascending: ids of the model's vocabulary.
	Indices []uint32
	// Values are what they are.
	Values []float32
}

// Truncation says what to do with a text that has more tokens than the model takes.
type Truncation = panopev1.Truncation

// What Truncation can be.
const (
	TruncationRefuse = panopev1.Truncation_TRUNCATION_REFUSE
	TruncationEnd    = panopev1.Truncation_TRUNCATION_END
	TruncationStart  = panopev1.Truncation_TRUNCATION_START
)

// EmbedOption changes how a batch is embedded; without one it is as the model's own files say.
type EmbedOption func(*panopev1.EmbedRequest)

// WithTruncation cuts texts that are too long instead of refusing them.
func WithTruncation(truncation Truncation) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.Truncation = truncation }
}

// WithNormalize says whether vectors have length 1.
func WithNormalize(normalize bool) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.Normalize = &normalize }
}

// WithDimensions keeps this many leading values of each vector.
func WithDimensions(dimensions uint32) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.Dimensions = &dimensions }
}

// WithPromptName puts the model's prompt of this name before each text.
func WithPromptName(name string) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.PromptName = &name }
}

// WithPurpose says what the texts are for, to models that treat queries and documents differently.
func WithPurpose(purpose panopev1.EmbedPurpose) EmbedOption {
	return func(r *panopev1.EmbedRequest) { r.Purpose = purpose }
}

// Embed turns texts into vectors: at least one text, none empty, no more than the server's limit.
func (c *Client) Embed(ctx context.Context, model string, texts []string, options ...EmbedOption) (*Embeddings, error) {
	return c.embedRequest(ctx, &panopev1.EmbedRequest{Model: model, Texts: texts}, options)
}

// EmbedTokens is Embed for texts given as token ids of the model's vocabulary, special tokens included.
func (c *Client) EmbedTokens(
	ctx context.Context, model string, ids [][]uint32, options ...EmbedOption,
) (*Embeddings, error) {
	request := &panopev1.EmbedRequest{Model: model}
	for _, sequence := range ids {
		request.TokenSequences = append(request.TokenSequences, &panopev1.TokenSequence{Ids: sequence})
	}
	return c.embedRequest(ctx, request, options)
}

func (c *Client) embedRequest(
	ctx context.Context, request *panopev1.EmbedRequest, options []EmbedOption,
) (*Embeddings, error) {
	for _, option := range options {
		option(request)
	}
	response, err := c.embed.Embed(ctx, request)
	if err != nil {
		return nil, err
	}
	vectors, err := vectorsOf(response.GetVectors(), int(response.GetCount()), int(response.GetDimensions()))
	if err != nil {
		return nil, err
	}
	return &Embeddings{
		Model:            response.GetModel(),
		Vectors:          vectors,
		TokenCounts:      response.GetTokenCounts(),
		TruncatedIndices: response.GetTruncatedIndices(),
		SparseVectors:    sparseOf(response.GetSparseVectors()),
		VectorCounts:     response.GetVectorCounts(),
	}, nil
}

func sparseOf(given []*panopev1.SparseVector) []SparseVector {
	if len(given) == 0 {
		return nil
	}
	vectors := make([]SparseVector, len(given))
	for i, vector := range given {
		vectors[i] = SparseVector{Indices: vector.GetIndices(), Values: vector.GetValues()}
	}
	return vectors
}

// vectorsOf reads count × dimensions little-endian 32-bit floats.
func vectorsOf(data []byte, count, dimensions int) ([][]float32, error) {
	if len(data) != 4*count*dimensions {
		return nil, invalidResponse("%d vectors of %d values cannot have %d bytes", count, dimensions, len(data))
	}
	values := make([]float32, count*dimensions)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	vectors := make([][]float32, count)
	for i := range vectors {
		// The third index keeps an append to one vector out of the next.
		vectors[i] = values[i*dimensions : (i+1)*dimensions : (i+1)*dimensions]
	}
	return vectors, nil
}
