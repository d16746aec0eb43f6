// Embed prints the vectors of texts and how near they are to one another.
//
//	go run ./examples/embed -address localhost:8001 -model sentence-transformers/all-MiniLM-L6-v2 "a cat" "a dog"
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math"
	"os"
	"time"

	panope "github.com/panope/panope/clients/go"
)

func main() {
	log.SetFlags(0)
	address := flag.String("address", "localhost:8001", "HOST:PORT of the server's gRPC port")
	model := flag.String("model", "", "VENDOR/NAME of the model")
	timeout := flag.Duration("timeout", time.Minute, "how long to wait for the answer")
	flag.Parse()
	if *model == "" || flag.NArg() == 0 {
		log.Fatal("usage: embed -model VENDOR/NAME [-address HOST:PORT] TEXT...")
	}
	ctx, cancel := context.WithTimeout(context.Background(), *timeout)
	defer cancel()
	if err := run(ctx, os.Stdout, *address, *model, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, address, model string, texts []string) error {
	client, err := panope.Dial(address)
	if err != nil {
		return err
	}
	defer client.Close()
	embeddings, err := client.Embed(ctx, model, texts)
	if err != nil {
		return err
	}
	for i, vector := range embeddings.Vectors {
		first := vector[:min(4, len(vector))]
		fmt.Fprintf(out, "%d  %q  %d dimensions  %.4f …\n", i, texts[i], len(vector), first)
	}
	for i := range texts {
		for j := range i {
			fmt.Fprintf(out, "cosine %d %d  %.4f\n", j, i, cosine(embeddings.Vectors[j], embeddings.Vectors[i]))
		}
	}
	return nil
}

func cosine(a, b []float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		dot, aa, bb = dot+x*y, aa+x*x, bb+y*y
	}
	return dot / math.Sqrt(aa*bb)
}
