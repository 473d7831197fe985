from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upscalers", "0003_job_dismissed")]

    operations = [
        migrations.RemoveField("worker", "jobs"),
        migrations.RemoveField("worker", "started_at"),
        migrations.AlterField(
            "worker",
            "seen_at",
            models.DateTimeField(db_index=True, help_text="by the database's clock"),
        ),
        migrations.AddIndex("job", models.Index(fields=["about"], name="job_about")),
    ]
