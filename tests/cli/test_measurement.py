"""ProducerPerformance's line format, and its figures."""

from minikafka.cli.measurement import MAX_SAMPLES, Measurement


def _measurement() -> Measurement:
    measurement = Measurement("sent", 1000, began_s=10.0)
    measurement.add(1000, 2 << 20)
    for latency_ms in range(1, 1001):
        measurement.add_latency(float(latency_ms))
    return measurement


def test_the_last_line_has_rates_and_percentiles() -> None:
    assert _measurement().last_line(12.0) == (
        "1000 records sent, 500.0 records/sec (1.00 MB/sec), "
        "500.50 ms avg latency, 1000.00 ms max latency, "
        "500.00 ms 50th, 950.00 ms 95th, 990.00 ms 99th, 999.00 ms 99.9th."
    )


def test_a_window_is_told_when_it_is_over_and_tells_only_of_itself() -> None:
    measurement = _measurement()
    assert measurement.window_line(14.9) is None
    assert measurement.window_line(15.0) == (
        "1000 records sent, 200.0 records/sec (0.40 MB/sec), "
        "500.5 ms avg latency, 1000.0 ms max latency."
    )
    measurement.add(10, 0)
    assert measurement.window_line(20.0) == "10 records sent, 2.0 records/sec (0.00 MB/sec)."


def test_the_summary_has_the_same_figures_by_name() -> None:
    assert _measurement().summary(12.0) == {
        "records": 1000,
        "bytes": 2 << 20,
        "elapsed_s": 2.0,
        "records_per_s": 500.0,
        "mb_per_s": 1.0,
        "avg_latency_ms": 500.5,
        "max_latency_ms": 1000.0,
        "p50_ms": 500.0,
        "p95_ms": 950.0,
        "p99_ms": 990.0,
        "p99.9_ms": 999.0,
    }


def test_samples_are_bounded_whatever_the_number_of_records() -> None:
    assert Measurement("sent", MAX_SAMPLES, 0.0).sample_every == 1
    assert Measurement("sent", MAX_SAMPLES * 10, 0.0).sample_every == 10
