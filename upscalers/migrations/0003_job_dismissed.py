from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("upscalers", "0002_costs_chunks_degradations")]

    operations = [
        migrations.AddField(
            "job",
            "dismissed",
            models.BooleanField(default=False, help_text="its failure was read and put away"),
        ),
    ]
