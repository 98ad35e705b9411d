"""What travels: protobuf messages, their encodings and signatures."""
