"""Tables of DynamoDB and buckets of S3."""

from .base import Handler, handles, tag_list


@handles("aws_dynamodb_table")
class Table(Handler):
    replaces = ("name", "hash_key", "range_key")
    updates = ("deletion_protection_enabled", "point_in_time_recovery", "ttl")

    def create(self, new):
        client, name = self.aws.client("dynamodb"), new["name"]
        request = new.camel("billing_mode", "deletion_protection_enabled", "table_class", TableName="name")
        request["KeySchema"] = key_schema(new)
        request["AttributeDefinitions"] = [
            each.camel(AttributeName="name", AttributeType="type") for each in new["attribute"]
        ]
        indexes = [self.index(each) for each in new["global_secondary_index"]]
        if indexes:
            request["GlobalSecondaryIndexes"] = indexes
        if new["read_capacity"] or new["write_capacity"]:
            request["ProvisionedThroughput"] = new.camel(
                ReadCapacityUnits="read_capacity", WriteCapacityUnits="write_capacity"
            )
        if new["stream_enabled"]:
            request["StreamSpecification"] = new.camel(
                StreamEnabled="stream_enabled", StreamViewType="stream_view_type"
            )
        encryption = new.block("server_side_encryption")
        if encryption:
            request["SSESpecification"] = encryption.camel(Enabled="enabled", KMSMasterKeyId="kms_key_arn")
        client.create_table(**request, Tags=tag_list(new["tags_all"]))
        client.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1})
        self.settings(new, {"point_in_time_recovery", "ttl"})
        made = client.describe_table(TableName=name)["Table"]
        throughput = made.get("ProvisionedThroughput", {})
        return {
            "id": name,
            "arn": made["TableArn"],
            "hash_key": new["hash_key"],
            "read_capacity": throughput.get("ReadCapacityUnits", 0),
            "write_capacity": throughput.get("WriteCapacityUnits", 0),
            "stream_arn": made.get("LatestStreamArn", ""),
            "stream_label": made.get("LatestStreamLabel", ""),
            "stream_view_type": made.get("StreamSpecification", {}).get("StreamViewType", ""),
        }

    @staticmethod
    def index(block):
        projection = block.camel("projection_type", "non_key_attributes")
        return {"IndexName": block["name"], "KeySchema": key_schema(block), "Projection": projection}

    def settings(self, new, changed):
        """What DynamoDB takes in calls of its own, after the table is there."""
        client, name = self.aws.client("dynamodb"), new["name"]
        expiry = new.block("ttl")
        if "ttl" in changed and expiry:
            specification = expiry.camel("attribute_name", "enabled")
            client.update_time_to_live(TableName=name, TimeToLiveSpecification=specification)
        recovery = new.block("point_in_time_recovery")
        if "point_in_time_recovery" in changed and recovery:
            specification = recovery.camel(
                PointInTimeRecoveryEnabled="enabled", RecoveryPeriodInDays="recovery_period_in_days"
            )
            client.update_continuous_backups(TableName=name, PointInTimeRecoverySpecification=specification)

    def change(self, new, changed):
        self.settings(new, changed)
        if "deletion_protection_enabled" in changed:
            protected = bool(new["deletion_protection_enabled"])
            self.aws.client("dynamodb").update_table(TableName=new["name"], DeletionProtectionEnabled=protected)

    def delete(self, old):
        self.aws.client("dynamodb").delete_table(TableName=old["name"])

    def exists(self, old):
        describe = self.aws.client("dynamodb").describe_table
        return self.is_found(describe, "ResourceNotFoundException", TableName=old["name"])


def key_schema(keys):
    named = {"HASH": keys["hash_key"], "RANGE": keys["range_key"]}
    return [{"AttributeName": name, "KeyType": kind} for kind, name in named.items() if name]


@handles("aws_s3_bucket")
class Bucket(Handler):
    replaces = ("bucket", "bucket_prefix")

    def create(self, new):
        client, name = self.aws.client("s3"), self.name_of(new, "bucket", "bucket_prefix")
        elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": self.aws.region}}
        client.create_bucket(Bucket=name, **({} if self.aws.region == "us-east-1" else elsewhere))
        if new["tags_all"]:
            client.put_bucket_tagging(Bucket=name, Tagging={"TagSet": tag_list(new["tags_all"])})
        return {
            "id": name,
            "bucket": name,
            "arn": f"arn:aws:s3:::{name}",
            "bucket_region": self.aws.region,
            "bucket_domain_name": f"{name}.s3.amazonaws.com",
            "bucket_regional_domain_name": f"{name}.s3.{self.aws.region}.amazonaws.com",
        }

    def delete(self, old):
        client = self.aws.client("s3")
        if old["force_destroy"]:
            for page in client.get_paginator("list_object_versions").paginate(Bucket=old["bucket"]):
                for version in page.get("Versions", []) + page.get("DeleteMarkers", []):
                    client.delete_object(Bucket=old["bucket"], Key=version["Key"], VersionId=version["VersionId"])
        client.delete_bucket(Bucket=old["bucket"])

    def exists(self, old):
        return self.is_found(self.aws.client("s3").head_bucket, "404", "NoSuchBucket", Bucket=old["bucket"])


class BucketSetting(Handler):
    """A part of a bucket's configuration: one call writes it, one deletes it."""

    def write(self, client, new):
        raise NotImplementedError

    def create(self, new):
        self.write(self.aws.client("s3"), new)
        return {"id": new["bucket"]}


@handles("aws_s3_bucket_versioning")
class Versioning(BucketSetting):
    replaces = ("bucket",)
    updates = ("versioning_configuration",)

    def write(self, client, new):
        status = new.block("versioning_configuration")["status"]
        # The provider sends nothing for a bucket that never had versions.
        if status != "Disabled":
            client.put_bucket_versioning(Bucket=new["bucket"], VersioningConfiguration={"Status": status})

    def delete(self, old):
        if old["versioning_configuration"][0]["status"] == "Enabled":
            configuration = {"Status": "Suspended"}
            self.aws.client("s3").put_bucket_versioning(Bucket=old["bucket"], VersioningConfiguration=configuration)

    def exists(self, old):
        return self.is_found(self.aws.client("s3").get_bucket_versioning, "NoSuchBucket", Bucket=old["bucket"])


@handles("aws_s3_bucket_public_access_block")
class PublicAccessBlock(BucketSetting):
    replaces = ("bucket",)
    flags = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
    updates = flags

    def write(self, client, new):
        configuration = new.camel("block_public_policy", "restrict_public_buckets")
        configuration |= new.camel(BlockPublicAcls="block_public_acls", IgnorePublicAcls="ignore_public_acls")
        client.put_public_access_block(Bucket=new["bucket"], PublicAccessBlockConfiguration=configuration)

    def delete(self, old):
        self.aws.client("s3").delete_public_access_block(Bucket=old["bucket"])

    def exists(self, old):
        get = self.aws.client("s3").get_public_access_block
        return self.is_found(get, "NoSuchBucket", "NoSuchPublicAccessBlockConfiguration", Bucket=old["bucket"])


@handles("aws_s3_bucket_server_side_encryption_configuration")
class BucketEncryption(BucketSetting):
    replaces = ("bucket",)
    updates = ("rule",)

    def write(self, client, new):
        rules = []
        for block in new["rule"]:
            rule = block.camel("bucket_key_enabled")
            default = block.block("apply_server_side_encryption_by_default")
            if default:
                algorithm = default.camel(SSEAlgorithm="sse_algorithm", KMSMasterKeyID="kms_master_key_id")
                rule["ApplyServerSideEncryptionByDefault"] = algorithm
            rules.append(rule)
        client.put_bucket_encryption(Bucket=new["bucket"], ServerSideEncryptionConfiguration={"Rules": rules})

    def delete(self, old):
        self.aws.client("s3").delete_bucket_encryption(Bucket=old["bucket"])

    def exists(self, old):
        get = self.aws.client("s3").get_bucket_encryption
        return self.is_found(
            get, "NoSuchBucket", "ServerSideEncryptionConfigurationNotFoundError", Bucket=old["bucket"]
        )


@handles("aws_s3_bucket_lifecycle_configuration")
class Lifecycle(BucketSetting):
    replaces = ("bucket",)
    updates = ("rule",)

    def write(self, client, new):
        configuration = {"Rules": [self.rule(block) for block in new["rule"]]}
        client.put_bucket_lifecycle_configuration(Bucket=new["bucket"], LifecycleConfiguration=configuration)

    def rule(self, block):
        rule = block.camel("status", ID="id") | {"Filter": self.filter(block)}
        expiration, aborted = block.block("expiration"), block.block("abort_incomplete_multipart_upload")
        versions = block.block("noncurrent_version_expiration")
        if expiration:
            rule["Expiration"] = expiration.camel("date", "days", "expired_object_delete_marker")
        if aborted:
            rule["AbortIncompleteMultipartUpload"] = aborted.camel("days_after_initiation")
        if versions:
            rule["NoncurrentVersionExpiration"] = versions.camel("newer_noncurrent_versions", "noncurrent_days")
        if block["transition"]:
            rule["Transitions"] = [each.camel("date", "days", "storage_class") for each in block["transition"]]
        return rule

    @staticmethod
    def filter(block):
        filters = block.block("filter")
        # An empty filter is written as the prefix of everything, for the API wants one.
        return {"Prefix": (filters["prefix"] if filters else block["prefix"]) or ""}

    def delete(self, old):
        self.aws.client("s3").delete_bucket_lifecycle(Bucket=old["bucket"])

    def exists(self, old):
        get = self.aws.client("s3").get_bucket_lifecycle_configuration
        return self.is_found(get, "NoSuchBucket", "NoSuchLifecycleConfiguration", Bucket=old["bucket"])


@handles("aws_s3_bucket_policy")
class BucketPolicy(BucketSetting):
    replaces = ("bucket",)
    updates = ("policy",)

    def write(self, client, new):
        client.put_bucket_policy(Bucket=new["bucket"], Policy=new["policy"])

    def delete(self, old):
        self.aws.client("s3").delete_bucket_policy(Bucket=old["bucket"])

    def exists(self, old):
        get = self.aws.client("s3").get_bucket_policy
        return self.is_found(get, "NoSuchBucket", "NoSuchBucketPolicy", Bucket=old["bucket"])
