"""The description of S3 from which boto3 builds a client."""

import json

import pytest
from botocore.loaders import create_loader

from tasador.stores.s3_session import SERVICE, Descriptions

NAMES = ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2")


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_of_s3_is_what_botocore_reads(name):
    read = Descriptions().load_service_model(SERVICE, name)
    # As text, since the order of members counts too.
    assert json.dumps(read) == json.dumps(create_loader().load_service_model(SERVICE, name))


def test_what_all_services_share_is_what_botocore_reads():
    for name in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        read = Descriptions().load_data(name)
        assert json.dumps(read) == json.dumps(create_loader().load_data(name)), name
