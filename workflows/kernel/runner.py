"""How stories run and how their data travels: one place, so that worker, command line and replays never differ."""

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

# Frozen data, body-less promises and the kernel hold no state of their own: every saga may share them.
PASSED_THROUGH = ("canonical", "activities.contracts", "workflows.kernel")

RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules(
        *PASSED_THROUGH
    ).with_import_notification_policy(
        SandboxImportNotificationPolicy.WARN_ON_DYNAMIC_IMPORT
        | SandboxImportNotificationPolicy.RAISE_ON_UNINTENTIONAL_PASSTHROUGH
    )
)

DATA_CONVERTER = pydantic_data_converter
