import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("sessions_app", "0001_initial")]

    operations = [
        migrations.RenameField("study", "kernel", "degradation"),
        migrations.AlterField("study", "scale", models.FloatField(default=2)),
        migrations.AlterField(
            model_name="study",
            name="anchor",
            field=models.CharField(
                default="lanczos3",
                help_text="the method every other is compared with",
                max_length=60,
            ),
        ),
        migrations.AlterField(
            model_name="study",
            name="degradation",
            field=models.CharField(default="bicubic", max_length=40),
        ),
        migrations.AlterField(
            model_name="study",
            name="methods",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=60), blank=True, default=list, size=None
            ),
        ),
    ]
