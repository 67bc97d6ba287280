"""minikafka: a message broker small enough to read in a weekend, speaking Kafka's own protocol."""
