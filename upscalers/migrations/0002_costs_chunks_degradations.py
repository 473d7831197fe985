import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upscalers", "0001_initial")]

    operations = [
        migrations.RemoveConstraint("lowresolution", "one_low_resolution_each"),
        migrations.RenameField("lowresolution", "kernel", "degradation"),
        migrations.AlterField(
            "lowresolution",
            "scale",
            models.FloatField(help_text="how much smaller; its simple fraction is what is meant"),
        ),
        migrations.AddConstraint(
            "lowresolution",
            models.UniqueConstraint(
                fields=["source", "scale", "degradation"], name="one_low_resolution_each"
            ),
        ),
        migrations.CreateModel(
            name="Hold",
            fields=[
                ("queue", models.CharField(max_length=20, primary_key=True, serialize=False)),
                ("by", models.CharField(max_length=150)),
                ("since", models.DateTimeField(default=django.utils.timezone.now)),
            ],
        ),
        migrations.CreateModel(
            name="Worker",
            fields=[
                ("name", models.CharField(max_length=100, primary_key=True, serialize=False)),
                ("queues", models.CharField(max_length=100)),
                ("device", models.CharField(blank=True, max_length=200)),
                ("started_at", models.DateTimeField(default=django.utils.timezone.now)),
                ("seen_at", models.DateTimeField(db_index=True, default=django.utils.timezone.now)),
                (
                    "jobs",
                    models.PositiveIntegerField(default=0, help_text="begun since it started"),
                ),
            ],
            options={
                "ordering": ["name"],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="parent",
            field=models.ForeignKey(
                help_text="the job that waits for this one",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="parts",
                to="upscalers.job",
            ),
        ),
        migrations.AddField(
            model_name="job",
            name="priority",
            field=models.SmallIntegerField(default=0, help_text="higher ones are taken first"),
        ),
        migrations.AddField(
            model_name="lowresolution",
            name="file_name",
            field=models.CharField(blank=True, help_text="of a recording", max_length=255),
        ),
        migrations.AddField(
            model_name="lowresolution",
            name="recipe",
            field=models.JSONField(default=dict, help_text="what was drawn or found on the way"),
        ),
        migrations.AddField(
            model_name="pvs",
            name="alignment",
            field=models.JSONField(default=dict, help_text="of a PVS made elsewhere, as found"),
        ),
        migrations.AddField(
            model_name="pvs",
            name="file_name",
            field=models.CharField(blank=True, help_text="of a PVS made elsewhere", max_length=255),
        ),
        migrations.AddField(
            model_name="pvs",
            name="gflop_per_frame",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pvs",
            name="joules",
            field=models.FloatField(null=True),
        ),
        migrations.AddField(
            model_name="pvs",
            name="parameters",
            field=models.BigIntegerField(help_text="of the network", null=True),
        ),
        migrations.AddField(
            model_name="pvs",
            name="peak_memory_bytes",
            field=models.BigIntegerField(null=True),
        ),
        migrations.AddField(
            model_name="pvs",
            name="resampler",
            field=models.CharField(blank=True, help_text="run after the method", max_length=40),
        ),
        migrations.AlterField(
            model_name="job",
            name="kind",
            field=models.CharField(
                choices=[
                    ("ingest", "Ingest"),
                    ("degrade", "Low-resolution version"),
                    ("upscale", "Upscale"),
                    ("chunk", "Part of an upscale"),
                    ("import", "Take in a clip made elsewhere"),
                    ("render", "Playback file"),
                    ("measure", "Metrics"),
                ],
                max_length=16,
            ),
        ),
        migrations.AlterField(
            model_name="lowresolution",
            name="degradation",
            field=models.CharField(default="bicubic", max_length=40),
        ),
        migrations.AlterField(
            model_name="pvs",
            name="device",
            field=models.CharField(blank=True, max_length=200),
        ),
        migrations.AlterField(
            model_name="pvs",
            name="method",
            field=models.CharField(max_length=60),
        ),
        migrations.CreateModel(
            name="Chunk",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("device", models.CharField(blank=True, max_length=200)),
                ("wall_seconds", models.FloatField(null=True)),
                ("device_seconds", models.FloatField(null=True)),
                ("joules", models.FloatField(null=True)),
                ("peak_memory_bytes", models.BigIntegerField(null=True)),
                ("versions", models.JSONField(default=dict)),
                ("number", models.PositiveIntegerField()),
                ("start", models.PositiveIntegerField()),
                ("frames", models.PositiveIntegerField()),
                (
                    "frames_sha256",
                    models.CharField(blank=True, help_text="when it is made", max_length=64),
                ),
                (
                    "job",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunk",
                        to="upscalers.job",
                    ),
                ),
                (
                    "pvs",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="chunks",
                        to="upscalers.pvs",
                    ),
                ),
            ],
            options={
                "ordering": ["pvs", "number"],
                "constraints": [
                    models.UniqueConstraint(fields=("pvs", "number"), name="one_chunk_each")
                ],
            },
        ),
        migrations.AddField(
            model_name="job",
            name="about",
            field=models.CharField(blank=True, help_text="the page it belongs to", max_length=40),
        ),
        migrations.AddField(
            "source",
            "timecode",
            models.CharField(
                blank=True, help_text="HH:MM:SS:FF on the first frame of its file", max_length=32
            ),
        ),
    ]
