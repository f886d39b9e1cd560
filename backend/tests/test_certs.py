"""The certificate authorities in the image."""

import ssl

from tests.conftest import BACKEND


def test_the_bundle_holds_rds_authorities() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(BACKEND / "certs" / "rds-global-bundle.pem")
    authorities = context.get_ca_certs()
    subjects = [str(authority["subject"]) for authority in authorities]
    # Beside RDS's own: the roots of Amazon Trust Services, the oldest by Starfield, under which RDS Proxy stands.
    known = ("Amazon RDS", "Amazon Root CA", "Starfield Services Root Certificate Authority - G2")
    assert [subject for subject in subjects if not any(name in subject for name in known)] == []
    assert sum("Amazon RDS" in subject for subject in subjects) > 50
    assert any("us-east-1" in subject for subject in subjects)
