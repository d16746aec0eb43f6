// Package panope is the Go client of the Panope model server.
//
//	client, err := panope.Dial("localhost:8001")
//	if err != nil {
//		return err
//	}
//	defer client.Close()
//	embeddings, err := client.Embed(ctx, "sentence-transformers/all-MiniLM-L6-v2", []string{"hello"})
//
// Calls fail with an [*Error], which carries the server's reason and the request field at fault. A call that the server
// refuses for the moment is repeated after the time that the server names, within the deadline of its context.
//
// The generated stubs are in package panopev1; [Client.Conn] gives them the same connection, errors and retries.
package panope
