"""Face detectors: values in, `Detections` out; each implements `ports.Detector`. Their files are found by adapters/detectors.py."""
