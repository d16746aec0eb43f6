"""What keeps programs that run models, their code and strangers' files within limits: memory, time, network."""
